-- Create the two logins of reload_assets on the target, with the least rights that they need. A superuser runs this
-- once in the target's database. Both logins still need a password (\password), and the job may then install the tables
-- of its schemas.
-- The job owns the schemas admin and staging, reads and writes the rows of production's tables, and advances its
-- sequences. It can do nothing else: it cannot alter, truncate or drop what is in production, nor switch off a trigger.
-- Run the three grants again when production has got new tables. Temporary tables, which every merge needs, are
-- PUBLIC's right unless the database's owner has revoked it.
-- DMS logs in as the load role for a load: each reload grants it its own staging tables, and takes them back.
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
-- DELETE takes back what a reload has inserted.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"production_schema" TO :"job_role";
-- SELECT, because a sequence's last value is read before it is advanced past the loaded keys.
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA :"production_schema" TO :"job_role";
