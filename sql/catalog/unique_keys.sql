-- The unique indexes of one table that an ON CONFLICT clause or a reader can rely on: whole, plain columns.
-- psql: -v schema=production -v table=orders
SELECT
    ic.relname AS name,
    i.indisprimary AS is_primary,
    NOT i.indimmediate AS deferrable,
    i.indnullsnotdistinct AS nulls_equal,
    array_agg(a.attname::text ORDER BY k.position) AS columns
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_class AS ic ON i.indexrelid = ic.oid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND k.attnum = a.attnum
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND k.position <= i.indnkeyatts
GROUP BY ic.relname, i.indisprimary, i.indimmediate, i.indnullsnotdistinct
ORDER BY i.indisprimary DESC, ic.relname;
