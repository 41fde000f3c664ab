-- Verify, step 3: check the staged rows themselves. great_expectations finds out whether keys repeat or values are
-- NULL. If so, the statements here count them and name examples.
-- s: a staged row.
-- By hand: psql -f sql/example.psql -f sql/verify/3_staged_values.sql

-- name: count_outside
-- window_bounds: count the staged rows that are not in the half-open window, and those without a value in the window
-- column. Returns no row if there are none.
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

-- name: count_unselected
-- only_selected: count the staged rows of keys that the reload does not select, with some of the keys. Those with NULL
-- in the key are left to the check keys.
SELECT
    count(*) AS rows,
    coalesce((array_agg(key_text ORDER BY key_text))[1:5], '{}') AS examples
FROM (
    SELECT :s_key_shown AS key_text
    FROM :"staging_schema".:"staging_table" AS s
    WHERE NOT :s_is_selected
) AS unselected;

-- name: count_duplicates
-- keys, if some repeat: count the keys that are staged more than once, and their rows, with some of the keys.
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
-- keys, if a column lacks values: count the rows without one, with the keys of some.
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
-- lob_limit: count the values of a LOB column that reach the limit (bytes) at which DMS cuts them, with the length of
-- the longest. Returns no row if there are none. A cut inside a multi-byte character leaves up to three bytes less.
SELECT
    count(*) AS cut,
    max(octet_length(:s_lob))::bigint AS longest
FROM :"staging_schema".:"staging_table" AS s
WHERE
    octet_length(:s_lob) >= :'limit_bytes'::bigint
    OR (octet_length(:s_lob) > :'limit_bytes'::bigint - 4 AND octet_length(:s_lob) > :s_lob_length)
HAVING count(*) > 0;
