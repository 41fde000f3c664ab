-- Find a key that stands in a staging table more than once.
-- psql: -v schema=staging -v table=orders_r1 -v key=order_id
SELECT :key
FROM :"schema".:"table"
GROUP BY :key
HAVING count(*) > 1
LIMIT 1;
