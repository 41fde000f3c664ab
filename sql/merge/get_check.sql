-- The condition of a check constraint.
-- psql: -v schema=production -v table=orders -v constraint=orders_amount_check
SELECT pg_get_expr(conbin, conrelid) AS condition
FROM pg_constraint
WHERE
    contype = 'c'
    AND conname = :'constraint'
    AND conrelid = to_regclass(quote_ident(:'schema') || '.' || quote_ident(:'table'));
