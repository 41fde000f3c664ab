-- Insert the rows that production lacks, in key order, and write them into the audit. A row that a concurrent writer has
-- inserted meanwhile is left as it is.
-- psql: -v delta=reload_delta_1 -v schema=production -v table=customers -v reload_id=1 -v table_name=customers -v columns="id, name" -v values="d.c1, d.c2" -v key=id -v delta_key=d.c1 -v written_key_json="jsonb_build_object('id', p.id)"
WITH written AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :values
    FROM :"delta" AS d
    WHERE d.outcome = 'inserted'
    ORDER BY :delta_key
    ON CONFLICT (:key) DO NOTHING
    RETURNING :written_key_json AS key
)

INSERT INTO admin.reload_changes (reload_id, table_name, operation, key)
SELECT
    :'reload_id'::bigint,
    :'table_name'::text,
    'inserted',
    written.key
FROM written;
