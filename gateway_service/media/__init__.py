"""Legs by protocol, one file each, behind the ports of the gateway."""
