-- Delete the locked rows that the source no longer has.
-- psql: -v schema=production -v table=order_items -v keys=confirm_items -v same_key="p.order_id = d.c1"
WITH gone AS (
    DELETE FROM :"schema".:"table" AS p
    USING :"keys" AS d
    WHERE :same_key AND d.is_open AND d.verdict = 'delete'
    RETURNING d.ctid AS place
)

UPDATE :"keys" AS k
SET verdict = 'made delete'
FROM gone
WHERE k.ctid = gone.place;
