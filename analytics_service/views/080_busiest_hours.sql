CREATE OR REPLACE VIEW busiest_hours AS
SELECT
    tenant,
    toDayOfWeek(started_at) AS weekday,
    toHour(started_at) AS hour,
    count() AS calls,
    countIf(outcome = 'rejected') AS rejected,
    uniqExact(toDate(started_at)) AS days
FROM calls
GROUP BY tenant, weekday, hour
COMMENT 'When calls come: weekday (1 is Monday) and hour (UTC).'
