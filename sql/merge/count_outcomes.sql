-- Count the delta by outcome (rows).
-- psql: -v delta=reload_delta_1
SELECT
    outcome,
    count(*) AS staged
FROM :"delta"
GROUP BY outcome;
