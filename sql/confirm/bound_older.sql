-- In which stretch of the window column the newer rows lie for which keys are in doubt.
-- psql: -v older=confirm_keys_1 -v staged_window=c2 -v numbered="s.id AS c1, s.name AS c2" -v staging_schema=staging -v staging_table=customers_r1 -v same_staged="s.c1 = d.c1" -v production_window=name -v schema=production -v table=customers -v same_key="p.id = d.c1"
SELECT
    min(seen.moment) AS first,
    max(seen.moment) AS last
FROM :"older" AS d
CROSS JOIN LATERAL (
    SELECT s.:"staged_window" AS moment
    FROM (SELECT :numbered FROM :"staging_schema".:"staging_table" AS s) AS s
    WHERE :same_staged
    UNION ALL
    SELECT p.:"production_window"
    FROM :"schema".:"table" AS p
    WHERE :same_key
) AS seen;
