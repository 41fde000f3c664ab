-- The staged rows of a merged reload that production does not have as they were staged, with their keys as the source
-- spells them; gone with the transaction. written_since: somebody else wrote or deleted the row since the merge. A row
-- that the audit knows is another row version then than the one that was written with the audit's; any other is younger
-- than the verdict on staging. corrected: confirm wrote it. An index probe a row, however large production is.
-- psql: -v schema=production -v table=orders -v staging_schema=staging -v staging_table=orders_r1 -v same_key="p.order_id = s.order_id" -v same="p.amount IS NOT DISTINCT FROM s.amount" -v version=updated_at -v staged_version=updated_at -v key_text="s.order_id::text" -v source_key="s.order_id::text AS k1" -v numbered_key="s.order_id AS c1" -v audit_key="jsonb_build_object('order_id', s.order_id)" -v reload_id=1 -v table_name=orders -v alive=true
CREATE TEMPORARY TABLE staged_differing ON COMMIT DROP AS
WITH differing AS MATERIALIZED (
    SELECT
        :source_key,
        :numbered_key,
        :key_text AS key_text,
        :audit_key AS audit_key,
        found.row_xmin,
        CASE
            WHEN found.row_xmin IS NULL THEN 'missing'
            WHEN found.version IS NULL OR s.:"staged_version" IS NULL THEN 'unversioned'
            WHEN found.version > s.:"staged_version" THEN 'newer'
            WHEN found.version = s.:"staged_version" THEN 'other'
            ELSE 'older'
        END AS outcome
    FROM :"staging_schema".:"staging_table" AS s
    LEFT JOIN LATERAL (
        SELECT
            p.xmin AS row_xmin,
            :same AS is_same,
            p.:"version" AS version
        FROM :"schema".:"table" AS p
        WHERE :same_key AND :alive
        LIMIT 1
    ) AS found ON TRUE
    WHERE found.is_same IS NOT TRUE
),

audited AS (
    SELECT
        c.key,
        bool_or(c.step = 'confirm') AS corrected,
        array_agg(c.xmin) AS writers
    FROM admin.reload_changes AS c
    WHERE c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name'
    GROUP BY c.key
)

SELECT
    d.*,
    coalesce(a.corrected, FALSE) AS corrected,
    CASE
        WHEN d.row_xmin IS NULL THEN a.key IS NOT NULL
        WHEN a.key IS NOT NULL THEN d.row_xmin <> all(a.writers)
        ELSE coalesce(age(d.row_xmin) < (
            SELECT min(age(c.xmin))
            FROM admin.reload_checks AS c
            WHERE c.reload_id = :'reload_id'::bigint
        ), FALSE)
    END AS written_since
FROM differing AS d
LEFT JOIN audited AS a ON d.audit_key = a.key;
