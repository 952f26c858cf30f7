"""Writes what is derived from the channel table: `python -m contracts.generate [--check]`.

docs/channels.md for people, docs/asyncapi.yaml for tools, the service diagram inside README.md, and, on
request, the snapshot of a release.
"""
