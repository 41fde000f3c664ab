-- Let the job read and write the rows of all tables of one production schema, and advance its sequences. A superuser or
-- the schema's owner runs this for each schema that reload.yaml names, and again when the schema has new tables.
-- By hand: psql -f sql/example.psql -f sql/roles/create_job_role.sql -f sql/roles/grant_production_schema.sql
-- To keep the result, leave out example.psql and set the variables with -v: job_role, production_schema.
GRANT USAGE ON SCHEMA :"production_schema" TO :"job_role";
-- DELETE takes back rows that a reload has inserted, and removes orphans if the policy says so.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"production_schema" TO :"job_role";
-- SELECT, because the last value of a sequence is read before it is advanced past the loaded keys.
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA :"production_schema" TO :"job_role";
