-- Production misses rows, has an older version of some, and a newer one of others, which CDC has just written.
-- psql:
DELETE FROM production.orders AS p
USING classes AS c
WHERE p.order_id = c.order_id AND c.class = 'missing';

UPDATE production.orders AS p
SET
    status = 'stale',
    amount = p.amount + 1,
    updated_at = p.updated_at - interval '40 days'
FROM classes AS c
WHERE p.order_id = c.order_id AND c.class = 'newer';

UPDATE production.orders AS p
SET
    status = 'changed',
    updated_at = p.updated_at + interval '1 hour'
FROM classes AS c
WHERE p.order_id = c.order_id AND c.class = 'older';
