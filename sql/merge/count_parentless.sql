-- How many rows of the delta want a parent that is not there, and one of them (its key, and the parent's that it names).
-- psql: -v delta=reload_delta_1 -v delta_key_texts="ARRAY[d.c1::text]" -v delta_reference_texts="ARRAY[d.c1::text]"
SELECT
    count(*) AS missing,
    (array_agg(:delta_key_texts))[1:1] AS child_key,
    (array_agg(:delta_reference_texts))[1:1] AS parent_key
FROM :"delta" AS d
WHERE d.outcome = 'parentless';
