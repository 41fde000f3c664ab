-- Count the rows of a table for which each condition of a list holds.
-- psql: -v schema=staging -v table=orders_r1 -v counts="count(*) FILTER (WHERE order_id IS NULL)"
SELECT ARRAY[:counts]::bigint [] AS counts
FROM :"schema".:"table";
