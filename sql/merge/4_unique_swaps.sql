-- Merge, step 4 of 6: make rows (givers, g) give up unique values that other rows (takers, t) take over, because
-- PostgreSQL checks a unique index row by row. lock_rows of step 3 runs before this; inserts and updates come last.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql -f sql/merge/4_unique_swaps.sql

-- name: find_givers
-- Find the rows to be updated whose present value of a unique key another row of the delta takes over.
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
-- If a column of the key can be NULL, free the values by setting it to NULL. The row gets its own new value later in
-- the same transaction.
UPDATE :"schema".:"table" AS p
SET :"parked_column" = NULL
FROM :"delta" AS d, :"givers" AS g
WHERE d.ctid = g.place AND :p_is_d;

-- name: replace_rows
-- If no column of the key can be NULL, recreate the rows. The table is locked by then, because a transaction that
-- waited for the old row would find it gone and lose its change. The sort makes sure that all rows (x) are deleted
-- before the first one is inserted again.
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
-- After the inserts: mark the rows that a concurrent writer inserted first. They are the ones missing in the audit.
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
