CREATE OR REPLACE VIEW calls AS
WITH facts AS
(
    SELECT
        tenant,
        call,
        min(at) AS first_at,
        countIf(event = 'call.started') > 0 AS answered,
        countIf(event = 'call.rejected') > 0 AS rejected,
        countIf(event = 'call.ended') > 0 AS over,
        minIf(at, event = 'call.started') AS began_at,
        max(call_facts.called) AS called,
        max(call_facts.caller) AS caller,
        max(call_facts.carrier_call_id) AS carrier_call_id,
        max(call_facts.protocol) AS protocol,
        max(call_facts.channel) AS channel,
        max(call_facts.gateway) AS gateway,
        max(call_facts.assistant) AS assistant,
        max(call_facts.language) AS language,
        max(code) AS rejected_code,
        max(status) AS rejected_status,
        max(message) AS rejected_message,
        max(call_facts.reason) AS reason,
        max(call_facts.detail) AS detail,
        max(call_facts.started_at) AS opened_at,
        max(call_facts.ended_at) AS ended_at,
        max(call_facts.duration_ms) AS duration_ms,
        max(call_facts.cost_micros) AS cost_micros,
        max(call_facts.currency) AS currency,
        max(call_facts.billed_s) AS billed_s,
        max(call_facts.leg_reason) AS leg_reason,
        max(call_facts.leg_detail) AS leg_detail,
        max(call_facts.frames_in) AS frames_in,
        max(call_facts.frames_out) AS frames_out,
        max(call_facts.frames_dropped) AS frames_dropped
    FROM call_facts FINAL
    GROUP BY tenant, call
),
heard AS
(
    SELECT tenant, call, count() AS turns, avg(confidence) AS confidence
    FROM turn_facts FINAL
    WHERE event = 'turn.ended'
    GROUP BY tenant, call
),
said AS
(
    SELECT
        tenant,
        call,
        count() AS replies,
        countIf(interrupted) AS interruptions,
        sum(heard_ms) AS agent_ms,
        sum(prompt_tokens) AS prompt_tokens,
        sum(completion_tokens) AS completion_tokens
    FROM replies
    GROUP BY tenant, call
),
waited AS
(
    SELECT tenant, call, avg(voice_to_voice_ms) AS mean_ms, max(voice_to_voice_ms) AS worst_ms
    FROM turns
    GROUP BY tenant, call
),
failed AS
(
    SELECT tenant, call, count() AS failures
    FROM event_log FINAL
    WHERE event = 'engine.failed'
    GROUP BY tenant, call
)
SELECT
    facts.tenant AS tenant,
    facts.call AS call,
    multiIf(
        rejected, 'rejected',
        NOT over, 'active',
        reason IN ('connection_lost', 'protocol_error', 'ghost', 'gateway_lost', 'failed'), 'dropped',
        'completed') AS outcome,
    ifNull(called, '') AS called,
    ifNull(caller, '') AS caller,
    ifNull(carrier_call_id, '') AS carrier_call_id,
    ifNull(protocol, '') AS protocol,
    ifNull(channel, '') AS channel,
    ifNull(gateway, '') AS gateway,
    ifNull(assistant, '') AS assistant,
    ifNull(language, '') AS language,
    CAST(answered, 'Bool') AS answered,
    coalesce(opened_at, if(answered, began_at, NULL), first_at) AS started_at,
    if(rejected, first_at, facts.ended_at) AS ended_at,
    multiIf(rejected, 0, duration_ms) AS duration_ms,
    multiIf(rejected, 0, cost_micros) AS cost_micros,
    ifNull(currency, '') AS currency,
    multiIf(rejected, 0, billed_s) AS billed_s,
    ifNull(reason, '') AS reason,
    ifNull(detail, '') AS detail,
    ifNull(rejected_code, '') AS rejected_code,
    ifNull(rejected_status, 0) AS rejected_status,
    ifNull(rejected_message, '') AS rejected_message,
    ifNull(leg_reason, '') AS leg_reason,
    ifNull(leg_detail, '') AS leg_detail,
    ifNull(frames_in, 0) AS frames_in,
    ifNull(frames_out, 0) AS frames_out,
    ifNull(frames_dropped, 0) AS frames_dropped,
    heard.turns AS turns,
    said.replies AS replies,
    said.interruptions AS interruptions,
    ifNull(said.agent_ms, 0) AS agent_heard_ms,
    if(heard.turns = 0, NULL, heard.confidence) AS mean_confidence,
    waited.mean_ms AS mean_voice_to_voice_ms,
    waited.worst_ms AS worst_voice_to_voice_ms,
    ifNull(said.prompt_tokens, 0) AS prompt_tokens,
    ifNull(said.completion_tokens, 0) AS completion_tokens,
    failed.failures AS engine_failures
FROM facts
LEFT JOIN heard ON heard.tenant = facts.tenant AND heard.call = facts.call
LEFT JOIN said ON said.tenant = facts.tenant AND said.call = facts.call
LEFT JOIN waited ON waited.tenant = facts.tenant AND waited.call = facts.call
LEFT JOIN failed ON failed.tenant = facts.tenant AND failed.call = facts.call
COMMENT 'One row per call, the rejected and the active among them.'
