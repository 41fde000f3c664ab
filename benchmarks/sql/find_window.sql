-- The instant from which on production has that many rows: the start of the window.
-- psql: -v rows=25000
SELECT updated_at
FROM production.orders
ORDER BY updated_at DESC
OFFSET :'rows'::bigint - 1
LIMIT 1;
