"""Synthetic callers by the hundred, what they found, and how it is shown and compared."""
