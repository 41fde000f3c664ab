-- What the conversion of loaded columns to production's types came to.
-- By hand: psql -f sql/example.psql -f sql/ddl/0008_conversions.sql
ALTER TABLE admin.reload_tables ADD COLUMN IF NOT EXISTS conversions jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN admin.reload_tables.conversions IS
'By column that was loaded in another type than production has: values that did not fit (misfits), values that were '
'changed as the configuration accepts (changed), and PostgreSQL''s refusal where there was one.';
