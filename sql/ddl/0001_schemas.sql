-- Say what the two schemas of reload_assets are for. The role that installs them owns them.
-- By hand: psql -f sql/example.psql -f sql/ddl/0001_schemas.sql
COMMENT ON SCHEMA admin IS 'reload_assets: ledger, audit and views';
COMMENT ON SCHEMA :"staging_schema" IS 'reload_assets: the staging tables of reloads';
