-- Of the keys in doubt: how many rows the source connection shows as at first, and older than DMS has read them in between,
-- or not at all; some of their keys. What the connection shows otherwise than at first is put off to the next pass.
-- psql: -v older=confirm_keys_1 -v again=confirm_rows_1 -v late=confirm_rows_1 -v rows=confirm_rows_1 -v keys=confirm_keys_1 -v same_again="a.c1 = d.c1" -v same_late="l.c1 = d.c1" -v same_row="r.c1 = d.c1" -v late_is_older="(a.c2 > l.c2)" -v delta_key_texts="ARRAY[d.c1::text]" -v same_place="k.c1 = d.c1"
WITH doubted AS (
    SELECT
        d.*,
        r::text IS DISTINCT FROM l::text AS has_changed,
        (l.*) IS NULL OR (:late_is_older) IS TRUE AS is_older,
        (a.*) IS NULL AS is_unseen
    FROM :"older" AS d
    LEFT JOIN :"again" AS a ON :same_again
    LEFT JOIN :"late" AS l ON :same_late
    LEFT JOIN :"rows" AS r ON :same_row
),

put_off AS (
    UPDATE :"keys" AS k
    SET verdict = 'moved'
    FROM doubted AS d
    WHERE :same_place AND d.has_changed
)

SELECT
    count(*) AS stale,
    (array_agg(array_to_string(:delta_key_texts, ', ')))[1:5] AS some
FROM doubted AS d
WHERE d.is_older AND NOT d.is_unseen AND NOT d.has_changed;
