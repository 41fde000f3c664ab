-- Around the numbered files: what installs the schemas, and notes which of the files it has applied.
-- By hand: psql -f sql/example.psql -f sql/ddl/install.sql

-- name: lock_install
-- One installation at a time; held until the commit.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:install', 0));

-- name: find_schema
-- Whether there is a schema of this name.
SELECT oid FROM pg_namespace WHERE nspname = :'schema';

-- name: create_versions
-- Which of the numbered files have been applied. Created before the first of them.
CREATE TABLE IF NOT EXISTS admin.schema_versions (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: list_versions
-- The numbered files that have been applied.
SELECT version FROM admin.schema_versions ORDER BY version;

-- name: insert_version
-- A numbered file has been applied.
INSERT INTO admin.schema_versions (version, name) VALUES (:'file_number'::integer, :'file_name');

-- name: drop_views
-- Views are recreated by each installation: their columns may differ from the last version's.
DROP VIEW IF EXISTS
admin.merge_logs, admin.merge_summary, admin.oracle_pg_migration_status, admin.oracle_pg_type_verification,
admin.window_status;
