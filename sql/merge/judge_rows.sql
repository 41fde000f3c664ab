-- The delta: the staged rows of the window that production lacks or has with other content, each with its outcome,
-- in key order; its columns are numbered, c1 being the first of staging. A plain read: nothing is locked by it. An
-- index probe a row, so that it costs what the window costs, however large production is.
-- psql: -v in_range=true -v delta=reload_delta_1 -v staging_schema=staging -v staging_table=customers_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v schema=production -v table=customers -v numbered="s.id AS c1, s.name AS c2" -v same_key="p.id = d.c1" -v judgement="CASE WHEN p.name IS DISTINCT FROM d.c2 THEN 'repaired' ELSE 'identical' END" -v delta_key=d.c1
CREATE TEMPORARY TABLE :"delta" ON COMMIT DROP AS
SELECT
    d.*,
    coalesce(found.outcome, 'inserted') AS outcome
FROM (
    SELECT :numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
        AND :in_range
) AS d
LEFT JOIN LATERAL (
    SELECT :judgement AS outcome
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS found ON TRUE
WHERE found.outcome IS DISTINCT FROM 'identical'
ORDER BY :delta_key;
