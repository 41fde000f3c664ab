-- Whether a table has a row of some key.
-- psql: -v schema=production -v table=orders -v is_key="p.order_id = '1'"
SELECT exists(SELECT 1 FROM :"schema".:"table" AS p WHERE :is_key) AS is_there;
