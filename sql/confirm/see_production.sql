-- Note which row version production has of each open key, before the source is read. Of a row that was written by somebody
-- else since it was noted, the row itself is noted, too.
-- psql: -v keys=confirm_keys_1 -v schema=production -v table=customers -v same_key="p.id = d.c1"
UPDATE :"keys" AS k
SET
    seen = found.seen,
    moves = found.moves,
    noted_before = k.noted,
    noted = CASE WHEN found.moves > 0 THEN found.noted END,
    verdict = NULL
FROM (
    SELECT
        d.ctid AS place,
        p.seen,
        p.noted,
        d.moves + CASE WHEN d.verdict = 'moved' THEN 1 ELSE 0 END AS moves
    FROM :"keys" AS d
    LEFT JOIN LATERAL (
        SELECT
            p.xmin::text AS seen,
            -- Not to_jsonb(p), which is a column where there is one of that name.
            CASE WHEN d.moves > 0 OR d.verdict = 'moved' THEN to_jsonb(p.*) END AS noted
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
    ) AS p ON TRUE
    WHERE d.is_open
) AS found
WHERE k.ctid = found.place;
