-- The rows that somebody has written since the merge began and that no compared range holds: a row of this reload went out
-- of sight before it was read, and CDC may have carried it to one of these keys. This reads the table from end to end.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v production_key=p.id -v schema=production -v table=customers -v compared="(p.updated_at >= '2025-01-01')" -v has_key="p.id IS NOT NULL" -v since=3
INSERT INTO :"keys" (:key_names, ours, meanwhile)
SELECT
    :production_key,
    TRUE,
    TRUE
FROM :"schema".:"table" AS p
WHERE
    (:compared) IS NOT TRUE
    AND :has_key
    AND age(p.xmin) <= age((:'since'::bigint % 4294967296)::text::xid)
ON CONFLICT (:key_names) DO NOTHING;
