"""Called number → tenant → assistant: reads the directory and publishes merged snapshots to KV."""
