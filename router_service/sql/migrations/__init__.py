"""Migrations, run by `router_service.sql.migrate`."""
