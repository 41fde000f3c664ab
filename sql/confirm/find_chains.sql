-- Pairs of rows of which one takes over a unique value that the other gives up.
-- psql: -v delta=reload_delta_1 -v schema=production -v table=customers -v same_key="p.id = d.c1" -v p_unique_values="p.email AS u1" -v d_gives_up="d.c2 IS DISTINCT FROM p.u1" -v t_takes_over="t.c2 = p.u1"
SELECT
    d.ctid::text AS giver,
    t.ctid::text AS taker
FROM :"delta" AS d
CROSS JOIN LATERAL (
    SELECT :p_unique_values
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS p
INNER JOIN :"delta" AS t ON :t_takes_over
WHERE d.outcome = 'updated' AND (:d_gives_up);
