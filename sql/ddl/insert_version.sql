-- Note that a numbered file has been applied.
-- psql: -v version=1 -v name=ddl/0001_schemas
INSERT INTO admin.schema_versions (version, name) VALUES (:'version'::integer, :'name');
