CREATE OR REPLACE VIEW replies AS
WITH facts AS
(
    SELECT
        tenant,
        call,
        reply,
        max(reply_facts.turn) AS turn,
        min(at) AS created_at,
        groupArrayIf((epoch, sentence, ifNull(text_pii, '')), event = 'reply.sentence') AS said,
        argMaxIf(reply_facts.llm_engine, rank, event IN ('reply.sentence', 'reply.completed')) AS llm_engine,
        max(reply_facts.llm_outcome) AS llm_outcome,
        max(reply_facts.sentences) AS sentences,
        max(first_sentence_ms) AS llm_first_sentence_ms,
        max(reply_facts.llm_total_ms) AS llm_total_ms,
        max(reply_facts.prompt_tokens) AS prompt_tokens,
        max(reply_facts.completion_tokens) AS completion_tokens,
        max(reply_facts.next) AS next,
        maxIf(first_audio_ms, sentence = 0) AS tts_first_audio_ms,
        maxIf(cached, sentence = 0) AS tts_cached,
        maxIf(reply_facts.tts_engine, sentence = 0) AS tts_engine,
        maxIf(reply_facts.voice, sentence = 0) AS voice,
        sum(reply_facts.audio_ms) AS audio_ms,
        sum(reply_facts.synthesis_ms) AS synthesis_ms,
        max(reply_facts.first_frame_at) AS first_frame_at,
        max(reply_facts.playout_ended_at) AS playout_ended_at,
        max(reply_facts.playout_outcome) AS playout_outcome,
        max(reply_facts.heard_ms) AS heard_ms,
        max(reply_facts.heard_sentences) AS heard_sentences,
        max(reply_facts.partial_ms) AS partial_ms,
        maxIf(cause, reply_facts.playout_outcome = 'cancelled') AS cut_by
    FROM reply_facts FINAL
    GROUP BY tenant, call, reply
),
speech AS
(
    -- The gateway clears at the first word of a turn, or at its end where the first was lost.
    SELECT tenant, call, id FROM turn_facts FINAL WHERE event IN ('speech.started', 'turn.ended')
)
SELECT
    facts.tenant AS tenant,
    facts.call AS call,
    facts.reply AS reply,
    facts.turn AS turn,
    created_at,
    arrayStringConcat(
        arrayMap(
            one -> one.3,
            arraySort(arrayFilter(one -> one.1 = arrayMax(other -> other.1, said), said))), ' ') AS text_pii,
    llm_engine,
    llm_outcome,
    sentences,
    llm_first_sentence_ms,
    llm_total_ms,
    prompt_tokens,
    completion_tokens,
    next,
    tts_engine,
    voice,
    tts_first_audio_ms,
    tts_cached,
    audio_ms,
    synthesis_ms,
    first_frame_at,
    playout_ended_at,
    playout_outcome,
    heard_ms,
    heard_sentences,
    partial_ms,
    CAST(if(playout_outcome IS NULL, NULL, speech.id != '' AND heard_ms > 0), 'Nullable(Bool)') AS interrupted
FROM facts
LEFT JOIN speech ON speech.tenant = facts.tenant AND speech.call = facts.call AND speech.id = facts.cut_by
COMMENT 'One row per reply of the agent, the greeting among them: what was said, how fast, how much was heard.'
