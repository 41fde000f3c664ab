-- Merge, step 4 of 6: let rows (givers, g) let go of unique values that other rows (takers, t) take over. PostgreSQL
-- checks a unique index row by row. The rows are locked first (lock_rows of step 3), and inserted and updated last.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql -f sql/merge/4_unique_swaps.sql

-- name: find_givers
-- The rows that will be updated and whose present value of a unique key another row of the delta takes over.
CREATE TEMPORARY TABLE :"givers" ON COMMIT DROP AS
SELECT d.ctid AS place
FROM :"delta" AS d
CROSS JOIN LATERAL (
    SELECT :p_unique_values
    FROM :"schema".:"table" AS p
    WHERE :p_is_d
    LIMIT 1
) AS p
WHERE
    d.outcome IN ('updated', 'repaired')
    AND (:d_gives_up)
    AND EXISTS (
        SELECT 1
        FROM :"delta" AS t
        WHERE t.outcome IN ('inserted', 'updated', 'repaired') AND :t_takes_over
    );

-- name: count_givers
-- Count the givers, with the key of one of them.
SELECT
    count(*) AS givers,
    (array_agg(:d_key_texts))[1:1] AS example
FROM :"givers" AS g
INNER JOIN :"delta" AS d ON g.place = d.ctid;

-- name: park_values
-- Let go of the values if a column of the key can be NULL: it is, until the row gets its own new value in the same
-- transaction.
UPDATE :"schema".:"table" AS p
SET :"parked_column" = NULL
FROM :"delta" AS d, :"givers" AS g
WHERE d.ctid = g.place AND :p_is_d;

-- name: replace_rows
-- Or recreate the rows, if no column of the key can be NULL. The table is locked by then: a transaction that waited for
-- the old row would find it gone and lose its change. The sort takes in every deleted row (x) before the first is
-- inserted again.
WITH deleted AS (
    DELETE FROM :"schema".:"table" AS p
    USING :"delta" AS d, :"givers" AS g
    WHERE d.ctid = g.place AND :p_is_d
    RETURNING :deleted_values
)

INSERT INTO :"schema".:"table" (:all_columns)
OVERRIDING SYSTEM VALUE
SELECT :all_values
FROM deleted AS x
INNER JOIN :"delta" AS d ON x.place = d.ctid
ORDER BY :d_key;

-- name: mark_lost_rows
-- After the inserts: mark the rows that a concurrent writer inserted first, because they are not in the audit.
UPDATE :"delta" AS d
SET outcome = 'lost'
WHERE
    d.outcome = 'inserted'
    AND NOT EXISTS (
        SELECT 1
        FROM admin.reload_changes AS audit
        WHERE
            audit.reload_id = :'reload_id'::bigint AND audit.table_name = :'table_name'::text
            AND audit.operation = 'inserted' AND audit.key = :d_key_json
    );
