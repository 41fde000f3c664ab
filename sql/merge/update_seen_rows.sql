-- Update the production rows of the delta that are still as they were judged, in key order, and write them into the
-- audit as they were before. A row that a concurrent writer has changed, or changes while this waits for it, is left as
-- it is: it is another row version than the one that was seen.
-- psql: -v delta=reload_delta_1 -v schema=production -v table=customers -v reload_id=1 -v table_name=customers -v assignments="name = d.c2" -v same_key="p.id = d.c1" -v seen_same_key="o.id = d.c1" -v key_json="jsonb_build_object('id', d.c1)"
WITH written AS (
    UPDATE :"schema".:"table" AS p
    SET :assignments
    FROM :"delta" AS d
    CROSS JOIN LATERAL (
        -- Not to_jsonb(o), which is a column where there is one of that name.
        SELECT to_jsonb(o.*) AS before
        FROM :"schema".:"table" AS o
        WHERE :seen_same_key AND o.ctid = d.seen AND o.xmin = d.seen_xmin AND o.tableoid = d.seen_table
        LIMIT 1
    ) AS old
    WHERE
        d.outcome IN ('updated', 'repaired')
        AND :same_key AND p.ctid = d.seen AND p.tableoid = d.seen_table
    RETURNING d.outcome, :key_json AS key, old.before
)

INSERT INTO admin.reload_changes (reload_id, table_name, operation, key, before)
SELECT
    :'reload_id'::bigint,
    :'table_name'::text,
    written.outcome,
    written.key,
    written.before
FROM written;
