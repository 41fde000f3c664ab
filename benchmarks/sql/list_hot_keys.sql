-- Some keys of the window, of rows of every kind: what CDC writes most.
-- psql: -v keys=500
SELECT order_id
FROM classes
ORDER BY hashint8(order_id + 99), order_id
LIMIT :'keys'::bigint;
