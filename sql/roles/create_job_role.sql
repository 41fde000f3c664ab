-- Create the two logins of reload_assets on the target, with the least rights that they need. A superuser runs this
-- once in the target's database. Both logins then need a password (\password). After that the job can install the
-- tables in its schemas.
-- The job owns the schemas admin and staging. grant_production_schema.sql lets it write the rows of production's tables.
-- It can do nothing else: it cannot alter, truncate or drop anything in production, nor disable a trigger. Every merge
-- needs temporary tables. PUBLIC has the right to create them unless the database's owner has revoked it.
-- DMS logs in as the load role for a load. Each reload lets it write to the reload's staging tables, and takes the
-- right back after the load.
-- By hand: psql -f sql/example.psql -f sql/roles/create_job_role.sql
-- To keep the result, leave out example.psql and set the variables by -v: job_role, load_role, staging_schema.
CREATE ROLE :"job_role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE :"load_role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

CREATE SCHEMA IF NOT EXISTS admin;
CREATE SCHEMA IF NOT EXISTS :"staging_schema";
ALTER SCHEMA admin OWNER TO :"job_role";
ALTER SCHEMA :"staging_schema" OWNER TO :"job_role";
