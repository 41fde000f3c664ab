-- The columns by whose ranges an index of a table finds rows: those with which a B-tree or BRIN index over all rows
-- begins.
-- psql: -v schema=production -v table=orders
SELECT DISTINCT a.attname::text AS name
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_class AS ic ON i.indexrelid = ic.oid
INNER JOIN pg_am AS m ON ic.relam = m.oid
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND i.indkey[0] = a.attnum
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND m.amname IN ('btree', 'brin') AND i.indisvalid AND i.indpred IS NULL
ORDER BY name;
