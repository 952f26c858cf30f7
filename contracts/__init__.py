"""The one place where a subject or a message is written down.

Everything else (docs, AsyncAPI, the service diagram, NATS permissions, the checks) is generated from here.
This package imports nothing of ours.
"""
