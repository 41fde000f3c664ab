-- Make the login with which the source's tables are read, on a source that is PostgreSQL (the stand-in); it still needs
-- a password. On Oracle: CREATE USER, then GRANT CREATE SESSION and GRANT SELECT on each table.
-- psql: -v reader_role=example_reader -v schema=production
CREATE ROLE :"reader_role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT USAGE ON SCHEMA :"schema" TO :"reader_role";
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"reader_role";
