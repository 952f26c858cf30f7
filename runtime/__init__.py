"""Process plumbing with no voice word in it: bus, settings, telemetry, health, process.

A thing moves in here only when three services need it.
"""
