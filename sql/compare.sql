-- Find the keys of rows that differ between source and production in some ranges. Statements of verify/5_window create
-- the tables of the ranges and of the source's rows.
-- p: production. r: a row of the source; w: a row of production's window; both have keys as canonical text.
-- By hand: psql -f sql/example.psql -f sql/compare.sql

-- name: create_differences
-- Create a table for the keys of rows that differ, as canonical text (k1, k2 ...).
CREATE TEMPORARY TABLE differences ON COMMIT DROP AS
SELECT :no_key_texts
WHERE FALSE;

-- name: create_production_window
-- Keep production's rows of the ranges as one statement sees them: keys as canonical text, content as a hash. They are
-- read before the source's.
CREATE TEMPORARY TABLE production_window ON COMMIT DROP AS
SELECT
    :p_key_texts,
    :p_content AS content
FROM pg_temp.source_ranges AS bounds
INNER JOIN :"schema".:"table" AS p
    ON p.:"range_column" >= bounds.range_start AND p.:"range_column" < bounds.range_end
WHERE :p_is_alive;
ANALYZE production_window;

-- name: collect_differences
-- Collect the keys that only one side has in the ranges, or that have other content on the other side.
INSERT INTO pg_temp.differences
SELECT :either_key
FROM pg_temp.source_window AS r
FULL JOIN pg_temp.production_window AS w ON :r_is_w
WHERE r.content IS DISTINCT FROM w.content;
