-- Production's rows of a later version than the source's: key and version as canonical text, content, and the content
-- of all columns that are neither key nor version nor window.
-- psql: -v schema=production -v table=orders -v key_list=s.k1 -v elsewhere="w.order_id = s.k1::integer" -v elsewhere_version="to_char(w.updated_at, 'YYYY-MM-DD HH24:MI:SS.US')" -v elsewhere_content="md5(w.order_id::text)" -v rest="md5(w.note)" -v production_later="production_version > source_version" -v limit=1000
SELECT
    :key_list,
    s.production_version,
    s.production_content,
    s.rest
FROM (
    SELECT
        s.*,
        s.version AS source_version,
        p.version AS production_version,
        p.content AS production_content,
        p.rest
    FROM pg_temp.source_window AS s
    CROSS JOIN LATERAL (
        SELECT
            :elsewhere_version AS version,
            :elsewhere_content AS content,
            :rest AS rest
        FROM :"schema".:"table" AS w
        WHERE :elsewhere
        LIMIT 1
    ) AS p
) AS s
WHERE :production_later
LIMIT :'limit'::integer;
