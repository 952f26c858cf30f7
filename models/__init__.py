"""Which models there are, where each comes from, and where it lies on this machine. Loads none of them."""
