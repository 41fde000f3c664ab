-- Rows between which unique values move are corrected together.
-- psql: -v keys=confirm_keys_1 -v delta=reload_delta_1 -v same_late="t.c1 = d.c1" -v places="{\"(0,1)\"}" -v numbers={1}
UPDATE :"keys" AS d
SET batch = b.number
FROM :"delta" AS t
INNER JOIN unnest(:'places'::tid [], :'numbers'::integer []) AS b (place, number) ON t.ctid = b.place
WHERE :same_late;
