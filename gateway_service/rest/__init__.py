"""The tenants' REST: a process of its own that asks the services over NATS and keeps nothing."""
