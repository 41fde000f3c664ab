-- Merge, step 2 of 6: give each staged row its outcome, and leave out what must not be written.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql

-- name: judge_rows
-- Create the delta: the selected staged rows that production lacks or has with other content, each with its
-- outcome, in the order of their keys. Its columns are numbered; c1 is the first column of staging. The columns
-- judged_* say which row version of production was judged. changes_parent: the staged row refers to another parent than
-- production's. This is a plain read, which locks nothing. The merge's settings allow only one index probe per row, so
-- the cost depends on the selection and not on the size of production. Parallel workers share it if the server has some.
CREATE TEMPORARY TABLE :"delta" ON COMMIT DROP AS
SELECT *
FROM (
    SELECT
        d.*,
        p.tableoid AS judged_table,
        p.ctid AS judged_ctid,
        p.xmin AS judged_xmin,
        :d_changes_parent AS changes_parent,
        CASE WHEN :p_is_there THEN :judgement ELSE :outcome_without_production END AS outcome
    FROM (
        SELECT :s_numbered
        FROM :"staging_schema".:"staging_table" AS s
        WHERE :s_is_selected AND :s_in_range
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

-- name: withhold_takers
-- Withhold the rows of the delta that need a unique value of a row of production, its holder (h), which was not loaded
-- or is withheld itself (t). The source may no longer have the holder. A confirm finds that out, removes the holder, and
-- then writes the row. There is one holder at most; LIMIT makes sure that each is found by a probe of its index.
UPDATE :"delta" AS d
SET outcome = 'withheld'
WHERE
    d.outcome IN ('inserted', 'updated', 'repaired')
    AND EXISTS (
        SELECT 1
        FROM :d_indexed AS w
        CROSS JOIN LATERAL (
            SELECT
                :p_key_numbered,
                :p_can_let_go AS can_let_go
            FROM :"schema".:"table" AS p
            WHERE :p_holds_value_of_w
            LIMIT 1
        ) AS h
        WHERE
            w.is_indexed AND NOT (:h_is_d)
            AND (
                EXISTS (SELECT 1 FROM :"delta" AS t WHERE :h_is_t AND t.outcome = 'withheld')
                OR (
                    h.can_let_go
                    AND NOT EXISTS (SELECT 1 FROM :"staging_schema".:"staging_table" AS s WHERE :h_is_s)
                )
            )
    );

-- name: withhold_own_children
-- Withhold the rows of the delta that refer to a new row (t) of their own table that is withheld.
UPDATE :"delta" AS d
SET outcome = 'withheld'
WHERE
    d.outcome IN ('inserted', 'updated', 'repaired')
    AND EXISTS (
        SELECT 1
        FROM :"delta" AS t
        WHERE t.outcome = 'withheld' AND t.judged_ctid IS NULL AND :t_is_parent_of_d
    );

-- name: refuse_withheld
-- Count the withheld rows as refused, like all rows that are left to a confirm.
UPDATE :"delta" AS d
SET outcome = 'refused'
WHERE d.outcome = 'withheld';

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

-- name: withhold_children
-- Withhold the parentless rows whose parent is staged in the same reload. The merge withheld the parent, or CDC has
-- deleted it since; a confirm decides about both.
UPDATE :"delta" AS d
SET outcome = 'refused'
WHERE
    d.outcome = 'parentless'
    AND EXISTS (
        SELECT 1
        FROM :"parent_staging_schema".:"parent_staging_table" AS q
        WHERE :q_is_staged_parent_of_d AND :q_is_selected
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
