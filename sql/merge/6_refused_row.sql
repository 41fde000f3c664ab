-- Merge, step 6 of 6: find the row that production refused, after the rollback, as PostgreSQL names the constraint but
-- seldom the row. Each statement is for one kind of constraint. find_missing_parents of step 1 is for foreign keys.
-- By hand: psql -f sql/example.psql -f sql/merge/6_refused_row.sql

-- name: find_null
-- NOT NULL: find the key of a staged row of the window with NULL in the column.
SELECT :d_key_texts AS key
FROM (
    SELECT :s_numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
        AND s.:"null_column" IS NULL
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
-- CHECK: find the key of a staged row of the window that violates the condition. The columns of u have production's
-- names, because the condition uses them.
SELECT :u_key_texts AS key
FROM (
    SELECT :s_named
    FROM :"staging_schema".:"staging_table" AS s
    WHERE s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
) AS u
WHERE NOT (:check_condition)
LIMIT 1;

-- name: find_rival
-- UNIQUE: find the key of a staged row of the window whose value another row has: a row of production that the reload
-- does not touch, or another staged row.
SELECT :d_key_texts AS key
FROM (
    SELECT
        d.*,
        count(*) OVER (PARTITION BY :d_unique_columns) AS sharing
    FROM (
        SELECT :s_numbered
        FROM :"staging_schema".:"staging_table" AS s
        WHERE s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
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
