-- The foreign keys of other tables that refer to one table, and what they do when a row of it goes away:
-- a = no action, r = restrict, c = cascade, n = set null, d = set default.
-- psql: -v schema=production -v table=customers
SELECT
    f.conname AS name,
    f.confdeltype AS on_delete
FROM pg_constraint AS f
INNER JOIN pg_class AS p ON f.confrelid = p.oid
INNER JOIN pg_namespace AS pn ON p.relnamespace = pn.oid
WHERE f.contype = 'f' AND f.conparentid = 0 AND pn.nspname = :'schema' AND p.relname = :'table'
ORDER BY f.conname;
