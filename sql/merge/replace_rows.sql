-- Make rows anew whose unique values move between them and cannot be NULL meanwhile. The sort takes in every deleted
-- row before the first is inserted again.
-- psql: -v moved=reload_moved_1 -v delta=reload_delta_1 -v schema=production -v table=customers -v same_key="p.id = d.c1" -v returned=m.place -v all_columns="id, name" -v all_values="d.c1, d.c2" -v delta_key=d.c1
WITH gone AS (
    DELETE FROM :"schema".:"table" AS p
    USING :"delta" AS d, :"moved" AS m
    WHERE d.ctid = m.place AND :same_key
    RETURNING :returned
)

INSERT INTO :"schema".:"table" (:all_columns)
OVERRIDING SYSTEM VALUE
SELECT :all_values
FROM gone AS g
INNER JOIN :"delta" AS d ON g.place = d.ctid
ORDER BY :delta_key;
