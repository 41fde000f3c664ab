-- Count a staging table, and in how many of its rows each column is NULL (in the order of the list).
-- psql: -v schema=staging -v table=orders_r1 -v nulls="count(*) - count(order_id)"
SELECT
    count(*) AS staged_rows,
    ARRAY[:nulls]::bigint [] AS nulls
FROM :"schema".:"table";
