-- Create the two logins of reload_assets on the target, with the least rights that they need. A superuser runs this
-- once in the target's database. Both logins then need a password (\password). After that the job can install the
-- tables in its schemas.
-- The job owns the schemas admin and staging, reads and writes the rows of production's tables, and advances their
-- sequences. It can do nothing else: it cannot alter, truncate or drop anything in production, nor disable a trigger.
-- Run the three grants again when production has new tables. Every merge needs temporary tables. PUBLIC has the right
-- to create them unless the database's owner has revoked it.
-- DMS logs in as the load role for a load. Each reload lets it write to the reload's staging tables, and takes the
-- right back after the load.
-- By hand: psql -f sql/example.psql -f sql/roles/create_job_role.sql
-- To keep the result, leave out example.psql and set the variables by -v: job_role, load_role, production_schema,
-- staging_schema.
CREATE ROLE :"job_role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE :"load_role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

CREATE SCHEMA IF NOT EXISTS admin;
CREATE SCHEMA IF NOT EXISTS :"staging_schema";
ALTER SCHEMA admin OWNER TO :"job_role";
ALTER SCHEMA :"staging_schema" OWNER TO :"job_role";

GRANT USAGE ON SCHEMA :"production_schema" TO :"job_role";
-- DELETE takes back rows that a reload has inserted, and removes orphans if the policy says so.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"production_schema" TO :"job_role";
-- SELECT, because the last value of a sequence is read before it is advanced past the loaded keys.
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA :"production_schema" TO :"job_role";
