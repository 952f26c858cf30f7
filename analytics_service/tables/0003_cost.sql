-- What a call cost, in millionths of a unit of its currency, and the time that was charged.
ALTER TABLE call_facts ADD COLUMN IF NOT EXISTS cost_micros Nullable(UInt64) AFTER duration_ms;
ALTER TABLE call_facts ADD COLUMN IF NOT EXISTS currency LowCardinality(Nullable(String)) AFTER cost_micros;
ALTER TABLE call_facts ADD COLUMN IF NOT EXISTS billed_s Nullable(UInt64) AFTER currency;
