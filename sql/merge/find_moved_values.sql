-- The rows that will be updated and whose present value of a unique key another row of the delta takes over: they
-- have to let go of it first.
-- psql: -v moved=reload_moved_1 -v delta=reload_delta_1 -v schema=production -v table=customers -v same_key="p.id = d.c1" -v p_unique_values="p.email AS u1" -v d_gives_up="d.c2 IS DISTINCT FROM p.u1" -v t_takes_over="t.c2 = p.u1"
CREATE TEMPORARY TABLE :"moved" ON COMMIT DROP AS
SELECT d.ctid AS place
FROM :"delta" AS d
CROSS JOIN LATERAL (
    SELECT :p_unique_values
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS p
WHERE
    d.outcome IN ('updated', 'repaired')
    AND (:d_gives_up)
    AND EXISTS (
        SELECT 1
        FROM :"delta" AS t
        WHERE t.outcome IN ('inserted', 'updated', 'repaired') AND :t_takes_over
    );
