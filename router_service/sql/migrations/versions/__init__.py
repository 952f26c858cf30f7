"""One file a migration, named for its revision."""
