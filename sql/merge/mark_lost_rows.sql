-- Mark the rows that a concurrent writer inserted first, by what the audit does not say of them.
-- psql: -v delta=reload_delta_1 -v reload_id=1 -v table_name=customers -v key_json="jsonb_build_object('id', d.c1)"
UPDATE :"delta" AS d
SET outcome = 'lost'
WHERE
    d.outcome = 'inserted'
    AND NOT EXISTS (
        SELECT 1
        FROM admin.reload_changes AS c
        WHERE
            c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name'::text
            AND c.operation = 'inserted' AND c.key = :key_json
    );
