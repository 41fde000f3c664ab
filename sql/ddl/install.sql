-- Install the schemas: these statements run around the numbered files, and record which of those are applied.
-- By hand: psql -f sql/example.psql -f sql/ddl/install.sql

-- name: lock_install
-- Let only one installation run at a time. The lock lasts until the commit.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:install', 0));

-- name: find_schema
-- Find the schema with this name.
SELECT oid FROM pg_namespace WHERE nspname = :'schema';

-- name: create_versions
-- Create the table of the numbered files that have been applied. It runs before the first of them.
CREATE TABLE IF NOT EXISTS admin.schema_versions (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: list_versions
-- List the numbered files that have been applied.
SELECT version FROM admin.schema_versions ORDER BY version;

-- name: insert_version
-- Record that a numbered file has been applied.
INSERT INTO admin.schema_versions (version, name) VALUES (:'file_number'::integer, :'file_name');

-- name: drop_views
-- Drop the views, which each installation recreates, because their columns may differ from the last version's.
DROP VIEW IF EXISTS
admin.metrics, admin.merge_logs, admin.merge_summary, admin.oracle_pg_migration_status,
admin.oracle_pg_type_verification, admin.window_status, admin.key_status;
