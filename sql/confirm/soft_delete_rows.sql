-- Mark the locked rows that the source no longer has.
-- psql: -v schema=production -v table=orders -v column=note -v mark="'gone'" -v keys=confirm_items -v same_key="p.order_id = d.c1"
UPDATE :"schema".:"table" AS p
SET :"column" = :mark
FROM :"keys" AS d
WHERE :same_key AND d.verdict = 'soft_delete';
