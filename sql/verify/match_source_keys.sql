-- The source's rows before a load against the staged rows, by key: how many were noted, how many of them are not
-- staged, and how many keys are staged that were not noted. Each side is read once.
-- psql: -v schema=staging -v table=source_keys_1 -v staging_table=orders_r1 -v keys="s.order_id::text AS k1" -v same_key="b.k1 = s.k1" -v key_list=s.k1
WITH staged AS (
    SELECT DISTINCT :keys
    FROM :"schema".:"staging_table" AS s
),

paired AS (
    SELECT
        b.window_text IS NOT NULL AS is_noted,
        s.is_staged IS NOT NULL AS is_staged
    FROM :"schema".:"table" AS b
    FULL JOIN (SELECT :key_list, TRUE AS is_staged FROM staged AS s) AS s ON :same_key
)

SELECT
    count(*) FILTER (WHERE is_noted) AS noted,
    count(*) FILTER (WHERE is_noted AND NOT is_staged) AS lacking,
    count(*) FILTER (WHERE NOT is_noted) AS arrived
FROM paired;
