-- Set the rows of the delta aside whose parent production does not have, now that its parents are merged: of those that
-- are new, or refer to another parent than production's row.
-- psql: -v delta=reload_delta_1 -v has_parent_in_delta="d.c1 IS NOT NULL" -v parent_schema=production -v parent_table=orders -v same_parent_in_delta="p.order_id = d.c1"
UPDATE :"delta" AS d
SET outcome = 'parentless'
WHERE
    (d.outcome = 'inserted' OR (d.outcome IN ('updated', 'repaired') AND d.moves))
    AND :has_parent_in_delta
    AND NOT EXISTS (
        SELECT 1
        FROM :"parent_schema".:"parent_table" AS p
        WHERE :same_parent_in_delta
    );
