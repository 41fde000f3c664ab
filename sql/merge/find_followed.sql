-- The rows of the delta whose update changes a value that rows of another table refer to and follow: their number, and
-- the key of one.
-- psql: -v delta=reload_delta_1 -v delta_key_texts="ARRAY[d.c1::text]" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v changes="(p.email::text IS DISTINCT FROM d.c2::text)" -v child="ONLY production.orders" -v c_refers_to_p="c.note = p.email"
SELECT
    count(*) AS followed,
    min(:delta_key_texts) AS example
FROM :"delta" AS d
INNER JOIN :"schema".:"table" AS p ON :same_key
WHERE
    d.outcome IN ('updated', 'repaired')
    AND :changes
    AND EXISTS (
        SELECT 1
        FROM :child AS c
        WHERE :c_refers_to_p
    );
