"""Where a directory can be read from."""
