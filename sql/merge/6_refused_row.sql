-- Merge, step 6 of 6: find the row that production refused, after the rollback, as PostgreSQL names the constraint but
-- seldom the row. Each statement is for one kind of constraint. find_missing_parents of step 1 is for foreign keys.
-- By hand: psql -f sql/example.psql -f sql/merge/6_refused_row.sql

-- name: find_null
-- NOT NULL: find the key of a selected staged row with NULL in the column.
SELECT :d_key_texts AS key
FROM (
    SELECT :s_numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE :s_is_selected AND s.:"null_column" IS NULL
) AS d
LIMIT 1;

-- name: get_check
-- CHECK: get the condition of the constraint.
SELECT pg_get_expr(conbin, conrelid) AS condition
FROM pg_constraint
WHERE
    contype = 'c'
    AND conname = :'constraint'
    AND conrelid = to_regclass(quote_ident(:'schema') || '.' || quote_ident(:'table'));

-- name: find_unfit
-- CHECK: find the key of a selected staged row that violates the condition. The columns of u have production's
-- names, because the condition uses them.
SELECT :u_key_texts AS key
FROM (
    SELECT :s_named
    FROM :"staging_schema".:"staging_table" AS s
    WHERE :s_is_selected
) AS u
WHERE NOT (:check_condition)
LIMIT 1;

-- name: find_holder
-- UNIQUE: find a selected staged row that needs a unique value of a row of production, its holder, which was not
-- loaded. Returns both keys, the holder's value in the window column, and whether the holder is marked as deleted.
SELECT
    :d_key_texts AS key,
    :h_key_texts AS holder_key,
    h.holder_window::text AS holder_window,
    h.is_marked
FROM (
    SELECT :s_numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE :s_is_selected
) AS d
CROSS JOIN LATERAL :d_indexed AS w
CROSS JOIN LATERAL (
    SELECT
        :p_key_numbered,
        p.:"holder_window_column" AS holder_window,
        NOT :p_is_unmarked AS is_marked
    FROM :"schema".:"table" AS p
    WHERE :p_holds_value_of_w
    LIMIT 1
) AS h
WHERE
    w.is_indexed AND NOT (:h_is_d)
    AND NOT EXISTS (SELECT 1 FROM :"staging_schema".:"staging_table" AS s WHERE :h_is_s)
LIMIT 1;

-- name: find_rival
-- UNIQUE: find the key of a selected staged row whose value another row has: a row of production that the reload
-- does not touch, or another staged row.
SELECT :d_key_texts AS key
FROM (
    SELECT
        d.*,
        count(*) OVER (PARTITION BY :d_unique_columns) AS sharing
    FROM (
        SELECT :s_numbered
        FROM :"staging_schema".:"staging_table" AS s
        WHERE :s_is_selected
    ) AS d
) AS d
WHERE
    (d.sharing > 1 AND :d_unique_is_known)
    OR EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE
            :p_has_value_of_d
            AND NOT (:p_is_d)
            AND NOT EXISTS (
                SELECT 1
                FROM :"staging_schema".:"staging_table" AS s
                WHERE :p_is_s
            )
    )
LIMIT 1;
