-- Leave those staged rows to CDC that the source no longer has as they were loaded.
-- psql: -v delta=reload_delta_1 -v outcomes={inserted} -v again=confirm_rows_1 -v same_again="a.c1 = d.c1" -v changed="(a.c2 IS DISTINCT FROM d.c2)"
UPDATE :"delta" AS d
SET outcome = 'refused'
WHERE
    d.outcome = any(:'outcomes'::text [])
    AND NOT EXISTS (
        SELECT 1
        FROM :"again" AS a
        WHERE :same_again AND NOT :changed
    );
