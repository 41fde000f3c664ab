-- The rows of the delta that were to be written and were not, by what the audit does not say of them: a concurrent
-- writer was there first.
-- psql: -v late=reload_late_1 -v delta=reload_delta_1 -v reload_id=1 -v table_name=customers -v key_json="jsonb_build_object('id', d.c1)" -v delta_key=d.c1
CREATE TEMPORARY TABLE :"late" ON COMMIT DROP AS
SELECT d.*
FROM :"delta" AS d
WHERE
    d.outcome IN ('inserted', 'updated', 'repaired')
    AND NOT EXISTS (
        SELECT 1
        FROM admin.reload_changes AS c
        WHERE
            c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name'::text
            AND c.step = 'merge' AND c.key = :key_json
    )
ORDER BY :delta_key;
