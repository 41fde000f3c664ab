-- By shape: how many keys were looked up in the source, and how many it has found.
-- psql: -v control=confirm_control_1
SELECT
    shape,
    count(*) AS keys,
    count(*) FILTER (WHERE is_found) AS found
FROM :"control"
GROUP BY shape;
