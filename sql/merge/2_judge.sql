-- Merge, step 2 of 6: give each staged row its outcome, and leave out what must not be written.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql

-- name: judge_rows
-- Create the delta: the staged rows of the window that production lacks or has with other content, each with its
-- outcome, in the order of their keys. Its columns are numbered, c1 being the first of staging. The columns judged_*
-- say which version of production's row was judged; changes_parent, whether the staged row refers to another parent.
-- A plain read, which locks nothing. One index probe per row (the merge's settings leave no other join): it costs what
-- the window costs, however large production is. Several workers share it if the server has them.
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
-- Set aside the rows of the delta whose parent production lacks, now that the parents are merged: of those that are new
-- or refer to another parent than production's row.
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
-- Create a table for rows that are read again from the source: staging's columns under their numbers and without their
-- domains. unfit: why the target's types cannot hold a row, of which there is the key only.
CREATE TEMPORARY TABLE :"reread" ON COMMIT DROP AS
SELECT
    :s_without_domains,
    NULL::text AS unfit
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;

-- name: list_keys
-- The keys of the rows that are read again, as canonical text: those with one of some outcomes.
SELECT :d_canonical_key
FROM :"delta" AS d
WHERE d.outcome = any(:'outcomes'::text []);

-- name: withhold_rows
-- Leave those of them to CDC that the source no longer has as they were loaded.
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
-- Count the rows that are still parentless, with one of them (its key, and the parent's that it names): the merge is
-- refused because of them.
SELECT
    count(*) AS missing,
    (array_agg(:d_key_texts))[1:1] AS child_key,
    (array_agg(:d_reference_texts))[1:1] AS parent_key
FROM :"delta" AS d
WHERE d.outcome = 'parentless';
