"""Breaking a running platform on purpose, and finding out from its record whether it kept its promises."""
