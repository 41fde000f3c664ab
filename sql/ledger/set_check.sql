-- Write one check's result into the verdict of a reload that is not merged yet.
-- psql: -v reload_id=1 -v table_name=orders -v check_name=row_count -v status=passed -v blocking=true -v detail=
UPDATE admin.reload_checks AS c
SET
    status = :'status',
    blocking = :'blocking'::boolean,
    detail = :'detail',
    checked_at = clock_timestamp()
FROM admin.reloads AS r
WHERE
    c.reload_id = r.reload_id AND r.reload_id = :'reload_id'::bigint
    AND r.status IN ('loaded', 'verified', 'rejected')
    AND c.table_name = :'table_name' AND c.check_name = :'check_name';
