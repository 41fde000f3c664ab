-- Which of the numbered files in ddl/ have been applied; made before the first of them.
-- psql:
CREATE TABLE IF NOT EXISTS admin.schema_versions (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
