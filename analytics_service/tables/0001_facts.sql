-- Every event as it was said. One event, one row: the same event again replaces itself.
CREATE TABLE IF NOT EXISTS event_log
(
    tenant LowCardinality(String),
    call String,
    id String,
    event LowCardinality(String),
    v UInt16,
    at DateTime64(6, 'UTC'),
    epoch UInt16,
    cause String,
    trace String,
    body_pii String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, call, id);

-- Facts: what one event says of one call, turn or reply, one row for each kind of event.
-- `rank` orders by epoch, then time: a later epoch corrects an earlier one, and an event that comes again
-- replaces itself. A column is filled by one kind of event only, so that views may take any value of it.
CREATE TABLE IF NOT EXISTS call_facts
(
    tenant LowCardinality(String),
    call String,
    event LowCardinality(String),
    rank UInt64,
    at DateTime64(6, 'UTC'),
    called Nullable(String),
    caller Nullable(String),
    carrier_call_id Nullable(String),
    protocol LowCardinality(Nullable(String)),
    gateway LowCardinality(Nullable(String)),
    assistant LowCardinality(Nullable(String)),
    language LowCardinality(Nullable(String)),
    code LowCardinality(Nullable(String)),
    status Nullable(UInt16),
    message Nullable(String),
    reason LowCardinality(Nullable(String)),
    detail Nullable(String),
    started_at Nullable(DateTime64(6, 'UTC')),
    ended_at Nullable(DateTime64(6, 'UTC')),
    duration_ms Nullable(Float64),
    leg_reason LowCardinality(Nullable(String)),
    leg_detail Nullable(String),
    frames_in Nullable(UInt64),
    frames_out Nullable(UInt64),
    frames_dropped Nullable(UInt64)
)
ENGINE = ReplacingMergeTree(rank)
ORDER BY (tenant, call, event);

CREATE TABLE IF NOT EXISTS turn_facts
(
    tenant LowCardinality(String),
    call String,
    turn UInt32,
    event LowCardinality(String),
    rank UInt64,
    at DateTime64(6, 'UTC'),
    id String,
    trace String,
    onset_at Nullable(DateTime64(6, 'UTC')),
    detected_at Nullable(DateTime64(6, 'UTC')),
    noise_ms Nullable(Float64),
    text_pii Nullable(String),
    language LowCardinality(Nullable(String)),
    confidence Nullable(Float64),
    words Nullable(UInt32),
    speech_started_at Nullable(DateTime64(6, 'UTC')),
    speech_ended_at Nullable(DateTime64(6, 'UTC')),
    decided_at Nullable(DateTime64(6, 'UTC')),
    audio_ms Nullable(Float64),
    decode_ms Nullable(Float64),
    engine LowCardinality(Nullable(String)),
    speculative Nullable(Bool)
)
ENGINE = ReplacingMergeTree(rank)
ORDER BY (tenant, call, turn, event);

-- `sentence` is -1 where the event speaks of the whole reply.
CREATE TABLE IF NOT EXISTS reply_facts
(
    tenant LowCardinality(String),
    call String,
    reply UInt32,
    sentence Int64,
    event LowCardinality(String),
    rank UInt64,
    at DateTime64(6, 'UTC'),
    epoch UInt16,
    cause String,
    turn Nullable(UInt32),
    text_pii Nullable(String),
    llm_engine LowCardinality(Nullable(String)),
    llm_outcome LowCardinality(Nullable(String)),
    sentences Nullable(UInt32),
    first_sentence_ms Nullable(Float64),
    llm_total_ms Nullable(Float64),
    prompt_tokens Nullable(UInt64),
    completion_tokens Nullable(UInt64),
    next LowCardinality(Nullable(String)),
    tts_outcome LowCardinality(Nullable(String)),
    first_audio_ms Nullable(Float64),
    audio_ms Nullable(Float64),
    synthesis_ms Nullable(Float64),
    cached Nullable(Bool),
    tts_engine LowCardinality(Nullable(String)),
    voice LowCardinality(Nullable(String)),
    first_frame_at Nullable(DateTime64(6, 'UTC')),
    playout_outcome LowCardinality(Nullable(String)),
    heard_ms Nullable(Float64),
    heard_sentences Nullable(UInt32),
    partial_ms Nullable(Float64),
    playout_ended_at Nullable(DateTime64(6, 'UTC'))
)
ENGINE = ReplacingMergeTree(rank)
ORDER BY (tenant, call, reply, sentence, event);

-- What came on the stream and could not be read, as it came.
CREATE TABLE IF NOT EXISTS rejected_log
(
    stored_at DateTime64(6, 'UTC'),
    sequence UInt64,
    subject String,
    code LowCardinality(String),
    error String,
    size UInt32,
    data_pii String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(stored_at)
ORDER BY (stored_at, sequence);
