-- The two schemas of reload_assets. The role that installs them owns them, and needs no right on production here.
-- psql: -v staging_schema=staging
CREATE SCHEMA IF NOT EXISTS admin;
CREATE SCHEMA IF NOT EXISTS :"staging_schema";
COMMENT ON SCHEMA admin IS 'reload_assets: ledger, audit and views';
COMMENT ON SCHEMA :"staging_schema" IS 'reload_assets: the staging tables of reloads';
