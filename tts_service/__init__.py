"""Speech synthesis: turns the sentences of a reply into frames for the gateway that holds the leg."""
