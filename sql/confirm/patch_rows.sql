-- Give single columns of some numbered rows the source's values, where production's are still those that were noted;
-- write the rows into the audit as they were. Returns how many rows have their new values under their keys.
-- psql: -v schema=production -v table=customers -v patches="name = CASE WHEN p.name IS NOT DISTINCT FROM n.name THEN r.c2 ELSE p.name END" -v any_patch="p.name IS NOT DISTINCT FROM n.name" -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_key="p.id = d.c1" -v same_row="r.c1 = d.c1" -v key_json="jsonb_build_object('id', d.c1)" -v first=1 -v last=1 -v reload_id=1 -v table_name=customers
WITH patched AS (
    UPDATE :"schema".:"table" AS p
    SET :patches
    FROM :"keys" AS d
    INNER JOIN :"rows" AS r ON :same_row
    CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", d.noted) AS n
    WHERE
        :same_key AND d.is_open AND d.verdict = 'patch' AND d.batch BETWEEN :'first'::integer AND :'last'::integer
        AND (:any_patch)
    RETURNING
        d.ctid AS place,
        :key_json AS key,
        d.held,
        -- Of the row as it is now: a trigger may have changed it on the way.
        :same_key AND NOT (:any_patch) AS is_taken
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key, before)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        'confirm',
        'updated',
        patched.key,
        patched.held
    FROM patched
)

UPDATE :"keys" AS k
SET ours = TRUE, settled = FALSE, moves = 1
FROM patched
WHERE k.ctid = patched.place AND patched.is_taken;
