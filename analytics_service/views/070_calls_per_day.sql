CREATE OR REPLACE VIEW calls_per_day AS
SELECT
    tenant,
    toDate(started_at) AS day,
    count() AS calls,
    countIf(answered) AS answered,
    countIf(outcome = 'rejected') AS rejected,
    countIf(outcome = 'completed') AS completed,
    countIf(outcome = 'dropped') AS dropped,
    if(completed + dropped = 0, NULL, dropped / (completed + dropped)) AS drop_rate,
    if(completed + dropped = 0, NULL, sumIf(duration_ms, outcome IN ('completed', 'dropped')) / 1000 / (completed + dropped)) AS average_handle_s,
    sum(turns) AS turns,
    sum(interruptions) AS interruptions
FROM calls
GROUP BY tenant, day
COMMENT 'Volume, drop rate and average handle time by day (UTC).'
