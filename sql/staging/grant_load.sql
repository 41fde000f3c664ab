-- Let the role that DMS logs in as fill a staging table.
-- psql: -v schema=staging -v table=orders_r1 -v role=dms
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT SELECT, INSERT ON :"schema".:"table" TO :"role";
