-- Lock the production rows of the delta in key order, judge each again as it is under the lock, and write those that
-- will be changed into the audit as they are now. A row that is gone was deleted by a concurrent writer, who has the
-- last word: it counts as refused.
-- psql: -v delta=reload_delta_1 -v planned={updated,repaired} -v schema=production -v table=customers -v reload_id=1 -v table_name=customers -v same_key="p.id = d.c1" -v judgement="CASE WHEN p.name IS DISTINCT FROM d.c2 THEN 'repaired' ELSE 'identical' END" -v delta_key=d.c1 -v key_json="jsonb_build_object('id', d.c1)"
WITH held AS MATERIALIZED (
    SELECT
        d.place,
        d.outcome AS planned,
        coalesce(found.outcome, 'refused') AS outcome,
        :key_json AS key,
        found.before
    FROM (
        SELECT
            d.*,
            d.ctid AS place
        FROM :"delta" AS d
        WHERE d.outcome = any(:'planned'::text [])
        ORDER BY :delta_key
    ) AS d
    LEFT JOIN LATERAL (
        SELECT
            :judgement AS outcome,
            -- Not to_jsonb(p), which is a column where there is one of that name.
            to_jsonb(p.*) AS before
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
        FOR NO KEY UPDATE
    ) AS found ON TRUE
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, operation, key, before)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        held.outcome,
        held.key,
        held.before
    FROM held
    WHERE held.outcome IN ('updated', 'repaired')
)

UPDATE :"delta" AS d
SET outcome = held.outcome
FROM held
WHERE d.ctid = held.place AND held.outcome <> held.planned;
