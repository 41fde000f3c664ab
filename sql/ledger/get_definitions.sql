-- The tables of a reload as it resolved them, parents first.
-- psql: -v reload_id=1
SELECT definition
FROM admin.reload_tables
WHERE reload_id = :'reload_id'::bigint
ORDER BY id;
