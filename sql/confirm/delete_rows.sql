-- Delete the locked rows that the source no longer has.
-- psql: -v schema=production -v table=order_items -v keys=confirm_items -v same_key="p.order_id = d.c1"
DELETE FROM :"schema".:"table" AS p
USING :"keys" AS d
WHERE :same_key AND d.verdict = 'delete';
