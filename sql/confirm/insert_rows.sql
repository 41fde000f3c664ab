-- Insert the rows that production lacks though CDC has been past them, in key order, and write them into the audit; the
-- number of them. A row that somebody else has inserted meanwhile is left as it is.
-- psql: -v schema=production -v table=customers -v columns="id, name" -v row_values="r.c1, r.c2" -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v delta_key=d.c1 -v key=id -v written_key_json="jsonb_build_object('id', p.id)" -v reload_id=1 -v table_name=customers
WITH written AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :row_values
    FROM :"keys" AS d
    INNER JOIN :"rows" AS r ON :same_row
    WHERE d.verdict = 'insert'
    ORDER BY :delta_key
    ON CONFLICT (:key) DO NOTHING
    RETURNING :written_key_json AS key
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        'confirm',
        'inserted',
        written.key
    FROM written
    RETURNING 1
)

SELECT count(*) AS inserted FROM audited;
