-- What has become of the staged rows of a merged reload: is each in production as it was staged, or as a newer version?
-- A row that is not there counts as deleted since where the audit shows that the merge wrote it; one that confirm has
-- corrected is newer, whatever its version says. An index probe a row, however large production is.
-- psql: -v schema=production -v table=orders -v staging_schema=staging -v staging_table=orders_r1 -v same_key="p.order_id = s.order_id" -v same="p.amount IS NOT DISTINCT FROM s.amount" -v version=updated_at -v staged_version=updated_at -v key_text="s.order_id::text" -v audit_key="jsonb_build_object('order_id', s.order_id)" -v reload_id=1 -v table_name=orders -v alive=true
WITH judged AS (
    SELECT
        :key_text AS key_text,
        CASE
            WHEN found.is_there IS NULL THEN
                CASE
                    WHEN :audit_key IN (
                        SELECT c.key
                        FROM admin.reload_changes AS c
                        WHERE c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name'
                    ) THEN 'deleted'
                    ELSE 'missing'
                END
            WHEN found.is_same THEN 'equal'
            WHEN :audit_key IN (
                SELECT c.key
                FROM admin.reload_changes AS c
                WHERE
                    c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name' AND c.step = 'confirm'
            ) THEN 'newer'
            WHEN found.version IS NULL OR s.:"staged_version" IS NULL THEN 'unversioned'
            WHEN found.version > s.:"staged_version" THEN 'newer'
            WHEN found.version = s.:"staged_version" THEN 'other'
            ELSE 'older'
        END AS outcome
    FROM :"staging_schema".:"staging_table" AS s
    LEFT JOIN LATERAL (
        SELECT
            TRUE AS is_there,
            :same AS is_same,
            p.:"version" AS version
        FROM :"schema".:"table" AS p
        WHERE :same_key AND :alive
        LIMIT 1
    ) AS found ON TRUE
)

SELECT
    outcome,
    count(*) AS rows,
    (array_agg(key_text ORDER BY key_text) FILTER (WHERE outcome <> 'equal'))[1:5] AS examples
FROM judged
GROUP BY outcome
ORDER BY outcome;
