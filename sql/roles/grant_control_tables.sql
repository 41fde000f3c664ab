-- Let the job read DMS's control tables, which say how far CDC is and what it skipped; those that DMS makes later too.
-- psql: -v job_role=dms -v cdc_role=postgres -v control_schema=public
-- For a superuser, or the CDC task's own login (cdc_role) if it owns the schema, to run once in the target's database.
-- The job gets to read every table of the schema: give DMS one of its own (ControlTablesSettings.ControlSchema).
GRANT USAGE ON SCHEMA :"control_schema" TO :"job_role";
GRANT SELECT ON ALL TABLES IN SCHEMA :"control_schema" TO :"job_role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"cdc_role" IN SCHEMA :"control_schema" GRANT SELECT ON TABLES TO :"job_role";
