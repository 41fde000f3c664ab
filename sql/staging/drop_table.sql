-- Drop the staging table of a reload.
-- psql: -v schema=staging -v table=orders_r1
DROP TABLE IF EXISTS :"schema".:"table";
