-- How many rows of the window are not as they should be, by kind; rows that the writer beside the merge has touched
-- are not looked at. A row that production had newer must still be that.
-- psql: -v touched={}
SELECT
    count(*) FILTER (WHERE p.order_id IS NULL) AS missing,
    count(*) FILTER (WHERE p.updated_at < e.updated_at) AS older,
    count(*) FILTER (
        WHERE p.updated_at = e.updated_at
        AND (p.status, p.amount, p.note) IS DISTINCT FROM (e.status, e.amount, e.note)
    ) AS other
FROM (
    SELECT
        order_id,
        amount,
        note,
        CASE WHEN class = 'older' THEN 'changed' ELSE status END AS status,
        CASE WHEN class = 'older' THEN updated_at + interval '1 hour' ELSE updated_at END AS updated_at
    FROM classes
    WHERE NOT order_id = any(:'touched'::bigint [])
) AS e
LEFT JOIN production.orders AS p ON e.order_id = p.order_id;
