-- Why corrections were refused for good: the reasons, how many rows each, and the keys of some, beginning with the most.
-- psql: -v keys=confirm_keys_1 -v most_blocks=3 -v delta_key_texts="ARRAY[d.c1::text]"
SELECT
    coalesce(d.reason, 'production refuses it') AS reason,
    count(*) AS blocked,
    (array_agg(array_to_string(:delta_key_texts, ', ') ORDER BY :delta_key_texts))[1:3] AS some
FROM :"keys" AS d
WHERE d.blocks >= :'most_blocks'::integer
GROUP BY d.reason
ORDER BY blocked DESC, reason;
