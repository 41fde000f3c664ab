-- Whether there is a schema of this name.
-- psql: -v schema=admin
SELECT oid FROM pg_namespace WHERE nspname = :'schema';
