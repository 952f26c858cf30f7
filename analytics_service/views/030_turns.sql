CREATE OR REPLACE VIEW turns AS
WITH asked AS
(
    SELECT * FROM turn_facts FINAL WHERE event = 'turn.ended'
),
answers AS
(
    -- A turn may be answered again by a worker that took over: what the caller heard first counts.
    SELECT *
    FROM replies
    WHERE turn IS NOT NULL
    ORDER BY first_frame_at IS NULL, first_frame_at, reply DESC
    LIMIT 1 BY tenant, call, turn
)
SELECT
    asked.tenant AS tenant,
    asked.call AS call,
    asked.turn AS turn,
    nullIf(answers.reply, 0) AS reply,
    asked.text_pii AS text_pii,
    if(answers.reply = 0, NULL, answers.text_pii) AS answer_pii,
    asked.language AS language,
    asked.confidence AS confidence,
    asked.words AS words,
    asked.speech_started_at AS speech_started_at,
    asked.speech_ended_at AS speech_ended_at,
    asked.decided_at AS decided_at,
    answers.first_frame_at AS first_frame_at,
    asked.audio_ms AS audio_ms,
    asked.engine AS stt_engine,
    asked.decode_ms AS decode_ms,
    asked.speculative AS speculative,
    answers.llm_engine AS llm_engine,
    answers.llm_total_ms AS llm_total_ms,
    answers.prompt_tokens AS prompt_tokens,
    answers.completion_tokens AS completion_tokens,
    answers.tts_engine AS tts_engine,
    answers.tts_cached AS tts_cached,
    dateDiff('microsecond', asked.speech_ended_at, asked.decided_at) / 1000 AS endpoint_ms,
    answers.llm_first_sentence_ms AS llm_first_sentence_ms,
    answers.tts_first_audio_ms AS tts_first_audio_ms,
    dateDiff('microsecond', asked.speech_ended_at, answers.first_frame_at) / 1000 AS voice_to_voice_ms,
    voice_to_voice_ms - (endpoint_ms + llm_first_sentence_ms + tts_first_audio_ms) AS unexplained_ms,
    answers.playout_outcome AS playout_outcome,
    answers.interrupted AS interrupted,
    answers.heard_ms AS heard_ms,
    answers.heard_sentences AS heard_sentences,
    asked.trace AS trace
FROM asked
LEFT JOIN answers ON answers.tenant = asked.tenant AND answers.call = asked.call AND answers.turn = asked.turn
COMMENT 'The turn ledger: one row per turn of the caller, the silence as heard, reconciled with the stages.'
