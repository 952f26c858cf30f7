CREATE OR REPLACE VIEW stage_latency AS
SELECT
    tenant,
    toDate(speech_ended_at) AS day,
    measured.1 AS stage,
    count() AS turns,
    quantile(0.5)(assumeNotNull(measured.2)) AS p50_ms,
    quantile(0.95)(assumeNotNull(measured.2)) AS p95_ms,
    quantile(0.99)(assumeNotNull(measured.2)) AS p99_ms,
    max(assumeNotNull(measured.2)) AS worst_ms
FROM turns
ARRAY JOIN
    [
        ('endpoint', endpoint_ms),
        ('llm', llm_first_sentence_ms),
        ('tts', tts_first_audio_ms),
        ('unexplained', unexplained_ms),
        ('voice_to_voice', voice_to_voice_ms)
    ] AS measured
WHERE measured.2 IS NOT NULL
GROUP BY tenant, day, stage
COMMENT 'Latency by stage and day: what the caller waited, and for whom.'
