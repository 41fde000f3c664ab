-- Rows of the delta that production did not take as they were written, by a trigger's doing: production has them from
-- this very transaction, but what it returned did not say so (elsewhere), or it lacks those that were to be inserted
-- (missing; a concurrent writer who inserted and deleted them looks the same). A key of each.
-- psql: -v delta=reload_delta_1 -v delta_key_texts="ARRAY[d.c1::text]" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v every_row=true
SELECT
    min(:delta_key_texts) FILTER (WHERE p.is_own) AS elsewhere,
    min(:delta_key_texts) FILTER (WHERE p.is_own IS NULL) AS missing
FROM :"delta" AS d
LEFT JOIN LATERAL (
    SELECT
        -- A row of a transaction that began after this one, and is no part of it, is seen when that is committed only.
        CASE
            WHEN x.later >= 2147483648 THEN FALSE
            WHEN x.own + x.later >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN TRUE
            ELSE pg_xact_status((x.own + x.later)::text::xid8) = 'in progress'
        END AS is_own
    FROM :"schema".:"table" AS p
    CROSS JOIN LATERAL (
        SELECT
            t.own,
            -- Numbers of transactions go round in a circle.
            ((p.xmin::text::bigint - t.own) % 4294967296 + 4294967296) % 4294967296 AS later
        FROM (SELECT pg_current_xact_id()::text::bigint AS own) AS t
    ) AS x
    WHERE :same_key
    LIMIT 1
) AS p ON TRUE
WHERE
    (d.seen IS NULL AND d.outcome <> 'inserted' AND (p.is_own IS NULL OR p.is_own))
    OR (:'every_row'::boolean AND p.is_own);
