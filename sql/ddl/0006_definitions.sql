-- Keep how a reload resolved each of its tables, so that later steps need not read both catalogs again.
-- By hand: psql -f sql/example.psql -f sql/ddl/0006_definitions.sql
ALTER TABLE admin.reload_tables ADD COLUMN IF NOT EXISTS definition jsonb;
COMMENT ON COLUMN admin.reload_tables.definition IS
'The table as the reload resolved it when it was opened: columns of both sides, key, window, version and policies.';
