-- The reload as it is now, held so that its verdict and its status stay until the end of the transaction.
-- psql: -v reload_id=1
SELECT
    status,
    tables,
    error
FROM admin.reloads
WHERE reload_id = :'reload_id'::bigint
FOR UPDATE;
