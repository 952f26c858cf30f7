"""What a run of calls found, synthetic or replayed: one form for all, to be judged, shown and compared."""
