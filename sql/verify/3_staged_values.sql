-- Verify, step 3: what the staged rows themselves must show. Whether keys are unique and values are NULL is said by
-- great_expectations; where it finds some, the statements here count them and name examples.
-- s: a staged row.
-- By hand: psql -f sql/example.psql -f sql/verify/3_staged_values.sql

-- name: count_outside
-- window_bounds: the staged rows that are not in the half-open window, and those that have no value in the window
-- column at all; no row if all is well.
SELECT
    count(*) FILTER (WHERE s.:"staged_window_column" IS NOT NULL) AS outside,
    count(*) FILTER (WHERE s.:"staged_window_column" IS NULL) AS without,
    coalesce(min(s.:"staged_window_column")::text, '') AS earliest,
    coalesce(max(s.:"staged_window_column")::text, '') AS latest
FROM :"staging_schema".:"staging_table" AS s
WHERE
    s.:"staged_window_column" < :'start'::timestamp
    OR s.:"staged_window_column" >= :'end'::timestamp
    OR s.:"staged_window_column" IS NULL
HAVING count(*) > 0;

-- name: count_duplicates
-- keys, where some repeat: how many keys are staged more than once, in how many rows, and some of them.
SELECT
    count(*) AS keys,
    coalesce(sum(rows), 0)::bigint AS rows,
    coalesce((array_agg(key_text ORDER BY key_text))[1:5], '{}') AS examples
FROM (
    SELECT
        count(*) AS rows,
        :s_key_shown AS key_text
    FROM :"staging_schema".:"staging_table" AS s
    GROUP BY :s_key
    HAVING count(*) > 1
) AS duplicates;

-- name: count_nulls
-- keys, where a column lacks values: how many rows have none, and the keys of some.
SELECT
    count(*) AS rows,
    coalesce(array_agg(key_text) FILTER (WHERE number <= 5), '{}') AS examples
FROM (
    SELECT
        :s_key_shown AS key_text,
        row_number() OVER () AS number
    FROM :"staging_schema".:"staging_table" AS s
    WHERE s.:"needed_column" IS NULL
) AS without_value;

-- name: list_misfits
-- types, where values do not fit production's type: the keys of some.
SELECT coalesce(array_agg(key_text), '{}') AS examples
FROM (
    SELECT :s_key_shown AS key_text
    FROM :"staging_schema".:"staging_table" AS s
    WHERE :s_is_misfit
    LIMIT 5
) AS misfits;

-- name: count_cut_lobs
-- lob_limit: the values of a LOB column that reach the limit (bytes) at which DMS cuts them, and the length of the
-- longest; no row if all is well. A cut inside a character of several bytes leaves up to three bytes less.
SELECT
    count(*) AS cut,
    max(octet_length(:s_lob))::bigint AS longest
FROM :"staging_schema".:"staging_table" AS s
WHERE
    octet_length(:s_lob) >= :'limit_bytes'::bigint
    OR (octet_length(:s_lob) > :'limit_bytes'::bigint - 4 AND octet_length(:s_lob) > :s_lob_length)
HAVING count(*) > 0;
