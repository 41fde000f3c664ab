-- Note that a numbered file has been applied.
-- psql: -v version=9999 -v name=ddl/9999_example
INSERT INTO admin.schema_versions (version, name) VALUES (:'version'::integer, :'name');
