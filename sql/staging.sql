-- Staging tables: created when a reload is opened, filled by DMS, then trimmed, counted and keyed.
-- By hand: psql -f sql/example.psql -f sql/roles/create_job_role.sql -f sql/staging.sql

-- name: create_table
-- Create a table for DMS to load. It has the columns that DMS loads, in the source's order and nothing else, because
-- DMS copies by position. It is unlogged and without keys, which makes the load fast: it is recreated rather than
-- recovered.
CREATE UNLOGGED TABLE :"staging_schema".:"new_table" (:column_definitions);

-- name: use_table
-- In a rehearsal that is rolled back: do with a staging table what a load and a merge do with it: no row is there.
INSERT INTO :"staging_schema".:"new_table" SELECT s.* FROM :"staging_schema".:"new_table" AS s;
DELETE FROM :"staging_schema".:"new_table" AS s;

-- name: make_temporary
-- In a rehearsal: make a temporary table as a merge does.
CREATE TEMPORARY TABLE reload_assets_rehearsal ON COMMIT DROP AS
SELECT s.* FROM :"staging_schema".:"new_table" AS s;

-- name: lacks_usage
-- Return whether the role that DMS logs in as may not use the schema yet.
SELECT NOT has_schema_privilege(:'load_role', :'staging_schema', 'USAGE') AS lacks_usage;

-- name: grant_usage
-- Let it use the schema. Only if it lacks that right: of two transactions that grant on one schema at the same time,
-- PostgreSQL fails one ("tuple concurrently updated"), even if neither changes anything.
GRANT USAGE ON SCHEMA :"staging_schema" TO :"load_role";

-- name: grant_load
-- Let that role write to the table.
GRANT SELECT, INSERT ON :"staging_schema".:"new_table" TO :"load_role";

-- name: revoke_load
-- Take the right back after the load: from here on only the reload writes to the staging table.
REVOKE INSERT ON :"staging_schema".:"staging_table" FROM :"load_role";

-- name: trim
-- Delete the rows just outside the half-open window that the load's filter let through. DMS filters have neither a
-- strict "less than" nor fractions of a second, so these lie within a second of the window. Rows farther out stay for a
-- check to find.
DELETE FROM :"staging_schema".:"staging_table"
WHERE
    (:"window_column" >= :'filter_start'::timestamp AND :"window_column" < :'start'::timestamp)
    OR (:"window_column" >= :'end'::timestamp AND :"window_column" <= :'filter_end'::timestamp);

-- name: create_texts
-- Create a table for rows that are read over the source connection, with a text for each column. COPY fills it.
CREATE TEMPORARY TABLE :"loaded_texts" (:text_columns) ON COMMIT DROP;

-- name: insert_texts
-- Fill a staging table with these rows (t). Each text becomes a value of the type in which DMS would load it.
INSERT INTO :"staging_schema".:"staging_table" (:staged_columns)
SELECT :t_loaded
FROM :"loaded_texts" AS t;

-- name: trim_keys
-- Delete the rows of other keys that the load's filter let through: it is on one column of the key.
DELETE FROM :"staging_schema".:"staging_table" AS s
WHERE NOT :s_is_selected;

-- name: count_misfits
-- Count the values that production's types refuse, and those that they change, by column that was loaded in another type.
SELECT
    ARRAY[:misfit_counts]::bigint [] AS misfits,
    ARRAY[:changed_counts]::bigint [] AS changed
FROM :"staging_schema".:"staging_table";

-- name: convert_columns
-- Give loaded columns production's types. All in one statement: the table is rewritten once.
ALTER TABLE :"staging_schema".:"staging_table" :alterations;

-- name: count_rows
-- Count the staged rows, and the NULLs of each column (in the order of the columns).
SELECT
    count(*) AS staged_rows,
    ARRAY[:null_counts]::bigint [] AS nulls
FROM :"staging_schema".:"staging_table";
