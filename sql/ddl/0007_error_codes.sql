-- Add the code of the error that ended a reload, or that kept a check from finishing. docs/troubleshooting.md says what
-- to do about each code.
-- By hand: psql -f sql/example.psql -f sql/ddl/0007_error_codes.sql
ALTER TABLE admin.reloads ADD COLUMN IF NOT EXISTS error_code text
-- The last code counts: an error that quotes another one has its own code at the end.
GENERATED ALWAYS AS (substring(error FROM '.*\[([a-z0-9]+(?:-[a-z0-9]+)+)\]')) STORED;
COMMENT ON COLUMN admin.reloads.error_code IS
'The code at the end of error, for example staging-gone; see docs/troubleshooting.md. NULL if there is none.';
ALTER TABLE admin.reload_checks ADD COLUMN IF NOT EXISTS error_code text
GENERATED ALWAYS AS (substring(detail FROM '.*\[([a-z0-9]+(?:-[a-z0-9]+)+)\]')) STORED;
COMMENT ON COLUMN admin.reload_checks.error_code IS
'The code of the error that kept the check from finishing; see docs/troubleshooting.md. NULL if there is none.';
