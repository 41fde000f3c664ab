-- The checks of a reload, those that stand in the way of the merge first.
-- psql: -v reload_id=1
SELECT
    table_name,
    check_name,
    status,
    blocking,
    detail
FROM admin.reload_checks
WHERE reload_id = :'reload_id'::bigint
ORDER BY (blocking AND status <> 'passed') DESC, table_name, check_name;
