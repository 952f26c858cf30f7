"""Numbered migrations: each file runs once per store, in order, and can be run again without harm."""
