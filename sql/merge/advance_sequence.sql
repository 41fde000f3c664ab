-- Advance a sequence past the loaded keys, so that the next row of an application gets a free one; never backwards.
-- Not undone by a rollback, and harmless then.
-- psql: -v in_range=true -v relation=production.orders_order_id_seq -v sequence=production.orders_order_id_seq -v column=order_id -v staging_schema=staging -v staging_table=orders_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02
SELECT setval(q.seqrelid::regclass, least(loaded.top, q.seqmax)::bigint) AS advanced
FROM :relation AS present
CROSS JOIN pg_sequence AS q
CROSS JOIN (
    SELECT floor(max(s.:"column"))::numeric AS top
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
        AND :in_range
) AS loaded
WHERE
    q.seqrelid = :'sequence'::regclass
    AND q.seqincrement > 0
    AND loaded.top >= q.seqmin
    AND (loaded.top > present.last_value OR (loaded.top = present.last_value AND NOT present.is_called));
