-- Verify, step 1: find out which rows a load must bring. Before the load, the selected rows of the source are noted in
-- a table beside staging: key and window column as text, content as a hash. After it, they are matched with staged
-- rows.
-- s: a staged row, with its key as canonical text. e: a row that the source had earlier, before the load.
-- By hand: psql -f sql/example.psql -f sql/verify/1_source_keys.sql

-- name: create_source_keys
-- Create the table for the noted rows: keys (k1, k2 ...) and the window column as canonical text, content as a hash. It
-- is unlogged like staging, and is dropped with it.
CREATE UNLOGGED TABLE :"staging_schema".:"source_keys" (
    :key_text_columns,
    window_text text COLLATE "C",
    content text COLLATE "C" NOT NULL
);

-- name: match_source_keys
-- Match the noted rows with the staged rows by key. Count the noted rows, those that are not staged, and the staged
-- rows that were not noted. Each side is read once.
WITH staged AS (
    SELECT DISTINCT :s_named_key_texts
    FROM :"staging_schema".:"staging_table" AS s
),

paired AS (
    SELECT
        e.content IS NOT NULL AS is_noted,
        s.is_staged IS NOT NULL AS is_staged
    FROM :"staging_schema".:"source_keys" AS e
    FULL JOIN (SELECT staged.*, TRUE AS is_staged FROM staged) AS s ON :e_is_s
)

SELECT
    count(*) FILTER (WHERE is_noted) AS noted,
    count(*) FILTER (WHERE is_noted AND NOT is_staged) AS lacking,
    count(*) FILTER (WHERE NOT is_noted) AS arrived
FROM paired;

-- name: list_lacking
-- List the noted rows that are not staged, in the order of the window column. They are read again from the source.
SELECT e.*
FROM :"staging_schema".:"source_keys" AS e
WHERE NOT EXISTS (
    SELECT 1 FROM (SELECT :s_named_key_texts FROM :"staging_schema".:"staging_table" AS s) AS s WHERE :e_is_s
)
ORDER BY e.window_text;
