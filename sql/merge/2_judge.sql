-- Merge, step 2 of 6: give each staged row its outcome, and leave out what must not be written.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql

-- name: judge_rows
-- Create the delta: the staged rows of the window that production lacks or has with other content, each with its
-- outcome, in the order of their keys. Its columns are numbered; c1 is the first column of staging. The columns
-- judged_* say which row version of production was judged. changes_parent: the staged row refers to another parent than
-- production's. This is a plain read, which locks nothing. The merge's settings allow only one index probe per row, so
-- the cost depends on the window and not on the size of production. Parallel workers share it if the server has some.
CREATE TEMPORARY TABLE :"delta" ON COMMIT DROP AS
SELECT *
FROM (
    SELECT
        d.*,
        p.tableoid AS judged_table,
        p.ctid AS judged_ctid,
        p.xmin AS judged_xmin,
        :d_changes_parent AS changes_parent,
        CASE WHEN :p_is_there THEN :judgement ELSE 'inserted' END AS outcome
    FROM (
        SELECT :s_numbered
        FROM :"staging_schema".:"staging_table" AS s
        WHERE
            s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
            AND :s_in_range
    ) AS d
    LEFT JOIN :"schema".:"table" AS p ON :p_is_d
) AS d
WHERE d.outcome <> 'identical'
ORDER BY :d_key;

-- name: count_outcomes
-- Count the delta by outcome (rows).
SELECT
    outcome,
    count(*) AS staged
FROM :"delta"
GROUP BY outcome;

-- name: mark_parentless
-- Set aside the rows of the delta whose parent production lacks now that the parents are merged. Only rows that are
-- new, or refer to another parent than production's row, can lack one.
UPDATE :"delta" AS d
SET outcome = 'parentless'
WHERE
    (d.outcome = 'inserted' OR (d.outcome IN ('updated', 'repaired') AND d.changes_parent))
    AND :d_has_references
    AND NOT EXISTS (
        SELECT 1
        FROM :"parent_schema".:"parent_table" AS q
        WHERE :q_is_parent_of_d
    );

-- name: create_reread
-- Create a table for rows that are read again from the source. It has staging's columns under their numbers, with plain
-- types instead of domains. unfit: why the target's types cannot hold a row, which then has only its key.
CREATE TEMPORARY TABLE :"reread" ON COMMIT DROP AS
SELECT
    :s_without_domains,
    NULL::text AS unfit
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;

-- name: list_keys
-- List the keys, as canonical text, of the rows to read again: those with one of the given outcomes.
SELECT :d_canonical_key
FROM :"delta" AS d
WHERE d.outcome = any(:'outcomes'::text []);

-- name: withhold_rows
-- Withhold the rows that the source no longer has as they were loaded. CDC writes these.
UPDATE :"delta" AS d
SET outcome = 'refused'
WHERE
    d.outcome = any(:'outcomes'::text [])
    AND NOT EXISTS (
        SELECT 1
        FROM :"reread" AS r
        WHERE :r_is_d AND NOT :r_differs_from_d
    );

-- name: count_parentless
-- Count the rows that are still parentless, because of which the merge is refused. Also return one of them: its key,
-- and the values that refer to its parent.
SELECT
    count(*) AS missing,
    (array_agg(:d_key_texts))[1:1] AS child_key,
    (array_agg(:d_reference_texts))[1:1] AS parent_key
FROM :"delta" AS d
WHERE d.outcome = 'parentless';
