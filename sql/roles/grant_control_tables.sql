-- Let the job read DMS's control tables, which hold CDC's position and the statements that it skipped, including those
-- that DMS creates later. A superuser runs this once in the target's database, or the CDC task's own login (cdc_role)
-- if it owns the schema. The job can then read every table of the schema, so give DMS a separate one
-- (ControlTablesSettings.ControlSchema).
-- By hand: psql -f sql/example.psql -f sql/roles/create_job_role.sql -f sql/roles/grant_control_tables.sql
-- To keep the result, leave out example.psql and set the variables by -v: job_role, cdc_role, control_schema.
GRANT USAGE ON SCHEMA :"control_schema" TO :"job_role";
GRANT SELECT ON ALL TABLES IN SCHEMA :"control_schema" TO :"job_role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"cdc_role" IN SCHEMA :"control_schema" GRANT SELECT ON TABLES TO :"job_role";
