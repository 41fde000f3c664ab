-- The delta: the staged rows of the window that production lacks or has with other content, each with its outcome,
-- in key order; its columns are numbered, c1 being the first of staging. The columns seen tell which row version of
-- production was judged, moves whether the staged row refers to another parent than that. A plain read: nothing is locked
-- by it. An index probe a row (the merge's settings leave no other join), so that it costs what the window costs, however
-- large production is; several workers share it where the server has them.
-- psql: -v delta=reload_delta_1 -v staging_schema=staging -v staging_table=customers_r1 -v in_range=true -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v schema=production -v table=customers -v numbered="s.id AS c1, s.name AS c2" -v same_key="p.id = d.c1" -v has_key="p.id IS NOT NULL" -v moves=false -v judgement="CASE WHEN p.name IS DISTINCT FROM d.c2 THEN 'repaired' ELSE 'identical' END" -v delta_key=d.c1
CREATE TEMPORARY TABLE :"delta" ON COMMIT DROP AS
SELECT *
FROM (
    SELECT
        d.*,
        p.tableoid AS seen_table,
        p.ctid AS seen,
        p.xmin AS seen_xmin,
        :moves AS moves,
        CASE WHEN :has_key THEN :judgement ELSE 'inserted' END AS outcome
    FROM (
        SELECT :numbered
        FROM :"staging_schema".:"staging_table" AS s
        WHERE
            s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
            AND :in_range
    ) AS d
    LEFT JOIN :"schema".:"table" AS p ON :same_key
) AS d
WHERE d.outcome <> 'identical'
ORDER BY :delta_key;
