"""Recorded traffic: the file it lies in, how it gets there, and what can be read from it."""
