"""Holds the conversation of each call: what the caller said in, speakable sentences out."""
