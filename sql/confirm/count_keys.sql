-- Count the keys that were looked at: all, orphans, those left alone by policy, those that a constraint of production
-- keeps wrong; with some of the orphans.
-- psql: -v keys=confirm_keys_1 -v most_blocks=3 -v delta_key_texts="ARRAY[d.c1::text]"
SELECT
    count(*) AS keys,
    count(*) FILTER (WHERE d.verdict = 'orphan') AS orphans,
    count(*) FILTER (WHERE d.verdict = 'left') AS left_alone,
    count(*) FILTER (WHERE d.blocks >= :'most_blocks'::integer) AS blocked,
    (array_agg(array_to_string(:delta_key_texts, ', ')) FILTER (WHERE d.verdict = 'orphan'))[1:5] AS some_orphans
FROM :"keys" AS d;
