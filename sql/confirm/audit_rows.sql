-- Write the locked rows that will be corrected into the audit as they are.
-- psql: -v keys=confirm_keys_1 -v delta_key=d.c1 -v schema=production -v table=customers -v same_key="p.id = d.c1" -v key_json="jsonb_build_object('id', d.c1)" -v verdict=update -v reload_id=1 -v table_name=customers
INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key, before)
SELECT
    :'reload_id'::bigint,
    :'table_name'::text,
    'confirm',
    CASE WHEN d.verdict = 'delete' THEN 'deleted' ELSE 'updated' END,
    :key_json,
    p.before
FROM :"keys" AS d
CROSS JOIN LATERAL (
    -- Not to_jsonb(p), which is a column where there is one of that name.
    SELECT to_jsonb(p.*) AS before
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS p
WHERE d.is_open AND d.verdict = :'verdict'
ORDER BY :delta_key;
