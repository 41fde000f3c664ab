-- How many keys stand in a staging table more than once, in how many rows, and some of them.
-- psql: -v schema=staging -v table=orders_r1 -v key=order_id -v key_text=order_id::text
SELECT
    count(*) AS keys,
    coalesce(sum(rows), 0)::bigint AS rows,
    coalesce((array_agg(key_text ORDER BY key_text))[1:5], '{}') AS examples
FROM (
    SELECT
        count(*) AS rows,
        :key_text AS key_text
    FROM :"schema".:"table"
    GROUP BY :key
    HAVING count(*) > 1
) AS duplicates;
