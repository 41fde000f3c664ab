-- The staging table that was made for a load, by its oid: nothing where it is gone, or another has taken its name.
-- psql: -v schema=staging -v table=orders_r1 -v oid=0
SELECT c.oid
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'schema' AND c.relname = :'table' AND c.oid = :'oid'::oid;
