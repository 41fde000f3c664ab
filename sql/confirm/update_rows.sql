-- Give the locked rows the source's values.
-- psql: -v schema=production -v table=customers -v row_assignments="name = r.c2" -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_key="p.id = d.c1" -v same_row="r.c1 = d.c1"
WITH written AS (
    UPDATE :"schema".:"table" AS p
    SET :row_assignments
    FROM :"keys" AS d, :"rows" AS r
    WHERE :same_key AND :same_row AND d.is_open AND d.verdict = 'update'
    RETURNING
        d.ctid AS place,
        :same_key AS is_kept
)

UPDATE :"keys" AS k
SET verdict = 'made update'
FROM written
WHERE k.ctid = written.place AND written.is_kept;
