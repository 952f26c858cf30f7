"""What analysts ask: one view a file, made anew at every start, in the order of their names."""
