-- The orders of one window, the same rows whichever side they are filled into.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v rows=100000
INSERT INTO :"schema".:"table"
SELECT
    n,
    1 + n % 50000,
    (ARRAY['new', 'paid', 'shipped', 'done'])[1 + n % 4],
    (n % 100000) / 7.0,
    md5(n::text),
    timestamp '2025-01-01' + n / 10 * interval '1 second',
    timestamp '2025-01-01' + n * interval '80 milliseconds'
FROM generate_series(1, :'rows'::bigint) AS n;
CREATE INDEX orders_updated ON :"schema".:"table" (:"window_column");
