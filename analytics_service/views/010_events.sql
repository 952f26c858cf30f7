CREATE OR REPLACE VIEW events AS
SELECT tenant, call, at, event, id, v, epoch, cause, trace, body_pii
FROM event_log FINAL
COMMENT 'Every event of every call, once.'
