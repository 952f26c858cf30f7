"""Speech recognition: caller frames in; speech.started, turn.ended and partial transcripts out."""
