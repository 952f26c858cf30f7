CREATE OR REPLACE VIEW engine_reliability AS
WITH used AS
(
    SELECT tenant, toDate(at) AS day, 'stt' AS stage, ifNull(engine, '') AS engine, 0 AS failed
    FROM turn_facts FINAL
    WHERE event = 'turn.ended'
    UNION ALL
    SELECT tenant, toDate(at) AS day, 'llm' AS stage, ifNull(llm_engine, '') AS engine, 0 AS failed
    FROM reply_facts FINAL
    WHERE event = 'reply.completed' AND llm_outcome != 'failed'
    UNION ALL
    SELECT tenant, toDate(at) AS day, 'tts' AS stage, ifNull(tts_engine, '') AS engine, 0 AS failed
    FROM reply_facts FINAL
    WHERE event = 'sentence.synthesized' AND tts_outcome != 'failed'
    UNION ALL
    SELECT tenant, toDate(at) AS day, stage, engine, 1 AS failed FROM engine_failures
)
SELECT
    tenant,
    day,
    stage,
    engine,
    count() AS attempts,
    sum(failed) AS failures,
    failures / attempts AS failure_rate
FROM used
GROUP BY tenant, day, stage, engine
COMMENT 'How often each engine was used and failed, by day (UTC).'
