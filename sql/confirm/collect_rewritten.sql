-- The rows of a range that somebody has written since the merge began: where some columns cannot be compared by sums, each
-- of these rows is read in full. since: the oldest transaction that ran when the merge began.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v production_key=p.id -v schema=production -v table=customers -v column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v has_key="p.id IS NOT NULL" -v since=3
INSERT INTO :"keys" (:key_names, meanwhile)
SELECT
    :production_key,
    TRUE
FROM :"schema".:"table" AS p
WHERE
    p.:"column" >= :'start'::timestamp AND p.:"column" < :'end'::timestamp
    AND :has_key
    -- Transaction numbers go round in a circle: their age tells which is older.
    AND age(p.xmin) <= age((:'since'::bigint % 4294967296)::text::xid)
ON CONFLICT (:key_names) DO NOTHING;
