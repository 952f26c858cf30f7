"""Fixtures and stands that tests share; everything in here is real unless its name says otherwise."""
