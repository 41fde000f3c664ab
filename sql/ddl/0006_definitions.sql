-- How a reload has resolved each of its tables: later steps read it here instead of asking both catalogs again.
-- psql:
ALTER TABLE admin.reload_tables ADD COLUMN IF NOT EXISTS definition jsonb;
COMMENT ON COLUMN admin.reload_tables.definition IS
'The table as the reload resolved it when it was opened: columns of both sides, key, window, version and policies.';
