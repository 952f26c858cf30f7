CREATE OR REPLACE VIEW engine_failures AS
SELECT
    tenant,
    call,
    at,
    JSONExtractString(body_pii, 'stage') AS stage,
    JSONExtractString(body_pii, 'engine') AS engine,
    JSONExtractString(body_pii, 'code') AS code,
    JSONExtractString(body_pii, 'detail') AS detail,
    CAST(JSONExtractBool(body_pii, 'retryable'), 'Bool') AS retryable,
    nullIf(JSONExtractString(body_pii, 'next_engine'), '') AS next_engine,
    trace
FROM event_log FINAL
WHERE event = 'engine.failed'
COMMENT 'Each time an engine failed, and which one took over (none: the chain was at its end).'
