-- The last key of the next rows of a staging table, in key order, as texts, and the key after it where there is one.
-- psql: -v staging_schema=staging -v staging_table=orders_r1 -v key_texts="ARRAY[s.order_id::text]" -v in_range=true -v staged_key=s.order_id -v rows=20000
SELECT :key_texts AS last_key
FROM :"staging_schema".:"staging_table" AS s
WHERE :in_range
ORDER BY :staged_key
OFFSET :'rows'::bigint - 1
LIMIT 2;
