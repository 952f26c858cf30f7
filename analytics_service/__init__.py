"""Every call event of the stream, as rows that an analyst can ask."""
