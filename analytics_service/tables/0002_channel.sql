-- How the caller came: through a carrier, or over the media socket.
ALTER TABLE call_facts ADD COLUMN IF NOT EXISTS channel LowCardinality(Nullable(String)) AFTER protocol;
