-- Mark the locked rows that the source no longer has.
-- psql: -v schema=production -v table=orders -v column=note -v mark="'gone'" -v keys=confirm_items -v same_key="p.order_id = d.c1"
WITH marked AS (
    UPDATE :"schema".:"table" AS p
    SET :"column" = :mark
    FROM :"keys" AS d
    WHERE :same_key AND d.is_open AND d.verdict = 'soft_delete'
    RETURNING
        d.ctid AS place,
        :same_key AS is_kept
)

UPDATE :"keys" AS k
SET verdict = 'made soft_delete'
FROM marked
WHERE k.ctid = marked.place AND marked.is_kept;
