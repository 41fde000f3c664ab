-- Make a schema of reload_assets, owned by the role that installs it.
-- psql: -v schema=example_staging
CREATE SCHEMA :"schema";
