-- How many rows have to let go of a value, and the key of one of them.
-- psql: -v moved=reload_moved_1 -v delta=reload_delta_1 -v delta_key_texts="ARRAY[d.c1::text]"
SELECT
    count(*) AS moved,
    (array_agg(:delta_key_texts))[1:1] AS example
FROM :"moved" AS m
INNER JOIN :"delta" AS d ON m.place = d.ctid;
