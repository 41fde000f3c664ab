-- What is to be done about each open key, now that the source was read: same, absent (neither side has the row), moved
-- (somebody else wrote the row meanwhile), insert, update, delete, or nothing by policy (left, orphan). What a correction
-- of ours made of this very source row is right, whatever triggers of production made of it. A row that is marked as
-- deleted is as good as absent. A row that the target's types cannot hold is to be written, and will be refused.
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v differs="(p.name IS DISTINCT FROM r.c2)" -v left_alone=false -v in_window=true -v alive=true -v orphan="'orphan'" -v insert="'insert'"
UPDATE :"keys" AS k
SET verdict = found.verdict
FROM (
    SELECT
        d.ctid AS place,
        CASE
            WHEN p.seen IS DISTINCT FROM d.seen THEN 'moved'
            WHEN r.source_row IS NULL AND p.seen IS NULL THEN 'absent'
            WHEN r.source_row IS NULL AND NOT p.alive THEN 'same'
            WHEN r.source_row IS NULL THEN CASE WHEN d.brought_back THEN 'delete' ELSE :orphan END
            WHEN r.unfit IS NOT NULL THEN CASE WHEN p.seen IS NULL THEN 'insert' ELSE 'update' END
            WHEN p.seen IS NULL THEN :insert
            WHEN p.alive AND (NOT p.differs OR (d.wrote = p.seen AND d.wrote_row = md5(r.source_row))) THEN 'same'
            WHEN NOT d.ours AND p.left_alone THEN 'left'
            ELSE 'update'
        END AS verdict
    FROM :"keys" AS d
    LEFT JOIN (
        SELECT
            r.*,
            r::text AS source_row
        FROM :"rows" AS r
    ) AS r ON :same_row
    LEFT JOIN LATERAL (
        SELECT
            p.xmin::text AS seen,
            :differs AS differs,
            :left_alone AS left_alone,
            :in_window AS in_window,
            :alive AS alive
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
    ) AS p ON TRUE
    WHERE d.is_open
) AS found
WHERE k.ctid = found.place;
