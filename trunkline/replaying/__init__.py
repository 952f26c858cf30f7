"""Recorded calls, placed again: which and when, by whom, what came of them, and how that compares."""
