-- The numbered files that have been applied.
-- psql:
SELECT version FROM admin.schema_versions ORDER BY version;
