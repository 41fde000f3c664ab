-- Some rows get another content under the same version, evenly over the window.
-- psql: -v every=1000
UPDATE production.orders SET note = 'other' WHERE order_id % :'every'::bigint = 0;
