-- Create the login that reads the source's tables, if the source is PostgreSQL (the stand-in). It then needs a
-- password. On Oracle: CREATE USER, then GRANT CREATE SESSION and GRANT SELECT on each table.
-- By hand: psql -f sql/example.psql -f sql/roles/create_reader_role.sql
-- To keep the result, leave out example.psql and set the variables by -v: reader_role, schema.
CREATE ROLE :"reader_role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT USAGE ON SCHEMA :"schema" TO :"reader_role";
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"reader_role";
