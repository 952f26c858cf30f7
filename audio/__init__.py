"""Sound as numbers: companding, resampling, framing, WAV files. Knows nothing of calls, buses or models."""
