CREATE OR REPLACE VIEW rejected_events AS
SELECT stored_at, sequence, subject, code, error, size, data_pii
FROM rejected_log FINAL
COMMENT 'What came on the stream and could not be read, as it came, and why.'
