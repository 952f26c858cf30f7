CREATE OR REPLACE VIEW cost_per_day AS
SELECT
    tenant,
    toDate(started_at) AS day,
    currency,
    count() AS calls,
    sum(assumeNotNull(billed_s)) AS billed_seconds,
    sum(assumeNotNull(cost_micros)) AS total_micros,
    toDecimal128(total_micros, 6) / 1000000 AS total
FROM calls
WHERE cost_micros IS NOT NULL AND currency != ''
GROUP BY tenant, day, currency
COMMENT 'What calls cost by day (UTC) and currency, those that were not charged by the minute left out.'
