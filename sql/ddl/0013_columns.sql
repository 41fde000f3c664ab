-- A request may be limited to columns: only these are compared and written, and all else of a row stays.
-- By hand: psql -f sql/example.psql -f sql/ddl/0013_columns.sql
ALTER TABLE admin.reload_requests ADD COLUMN IF NOT EXISTS columns jsonb;
COMMENT ON COLUMN admin.reload_requests.columns IS
'The only columns to repair, as a JSON object with a list of columns of production per table, such as '
'{"orders": ["note", "amount"]}; NULL: whole rows. It names every table of the request. Rows that only one side has '
'stay as they are.';
ALTER TABLE admin.reloads ADD COLUMN IF NOT EXISTS columns jsonb;
COMMENT ON COLUMN admin.reloads.columns IS
'The columns that the reload is limited to, by table; NULL: whole rows. Staged rows that production lacks, or has '
'marked as deleted, count as skipped then.';
