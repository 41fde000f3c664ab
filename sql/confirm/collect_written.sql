-- The keys that the audit says were written by some reloads. A row that one of them inserted is there by its doing.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v production_key=p.id -v key_types="id integer" -v reload_ids={1} -v table_name=customers
INSERT INTO :"keys" (:key_names, ours, brought_back)
SELECT
    :production_key,
    TRUE,
    bool_or(c.operation = 'inserted')
FROM admin.reload_changes AS c
-- Not a record of the whole table: a domain of another column may not allow NULL.
CROSS JOIN LATERAL jsonb_to_record(c.key) AS p (:key_types)
WHERE c.reload_id = any(:'reload_ids'::bigint []) AND c.table_name = :'table_name'
GROUP BY :production_key
ON CONFLICT (:key_names) DO UPDATE SET ours = TRUE, brought_back = excluded.brought_back;
