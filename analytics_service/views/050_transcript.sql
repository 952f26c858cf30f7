CREATE OR REPLACE VIEW transcript AS
SELECT
    tenant,
    call,
    assumeNotNull(speech_started_at) AS at,
    'caller' AS speaker,
    toNullable(turn) AS turn,
    CAST(NULL, 'Nullable(UInt32)') AS reply,
    ifNull(text_pii, '') AS text_pii,
    confidence,
    CAST(NULL, 'Nullable(Float64)') AS heard_ms,
    CAST(NULL, 'Nullable(Bool)') AS interrupted
FROM turn_facts FINAL
WHERE event = 'turn.ended'
UNION ALL
SELECT
    tenant,
    call,
    ifNull(first_frame_at, created_at) AS at,
    'agent' AS speaker,
    turn,
    toNullable(reply) AS reply,
    text_pii,
    CAST(NULL, 'Nullable(Float64)') AS confidence,
    heard_ms,
    interrupted
FROM replies
COMMENT 'Who said what and when. Order by tenant, call, at.'
