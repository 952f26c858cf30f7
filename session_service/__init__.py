"""Admission, assignment and the life of every call: one writer for who holds a slot."""
