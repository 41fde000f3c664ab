-- Insert the rows that production lacks though CDC has been past them, in key order, and write them into the audit.
-- Returns how many were inserted, and of how many the key is one that was to be. A row that somebody else has inserted
-- meanwhile is left as it is.
-- psql: -v schema=production -v table=customers -v columns="id, name" -v row_values="r.c1, r.c2" -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v delta_key=d.c1 -v key=id -v written_key_json="jsonb_build_object('id', p.id)" -v returned_key="p.id AS c1" -v same_returned="t.c1 = d.c1" -v reload_id=1 -v table_name=customers
WITH written AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :row_values
    FROM :"keys" AS d
    INNER JOIN :"rows" AS r ON :same_row
    WHERE d.is_open AND d.verdict = 'insert'
    ORDER BY :delta_key
    ON CONFLICT (:key) DO NOTHING
    RETURNING
        :written_key_json AS written_key,
        :returned_key
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        'confirm',
        'inserted',
        t.written_key
    FROM written AS t
),

made AS (
    UPDATE :"keys" AS d
    SET verdict = 'made insert'
    FROM written AS t
    WHERE :same_returned AND d.is_open AND d.verdict = 'insert'
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM written) AS inserted,
    (SELECT count(*) FROM made) AS made;
