-- Take the rows out of the delta that are treated apart.
-- psql: -v late=reload_delta_1 -v delta=reload_delta_1 -v same_late="l.c1 = d.c1"
DELETE FROM :"delta" AS d
USING :"late" AS l
WHERE :same_late;
