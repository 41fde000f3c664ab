-- Lock the rows that will be corrected, in key order. One that is not the version that was seen has been written by
-- somebody else meanwhile and is put off; the others go into the audit as they are.
-- psql: -v keys=confirm_keys_1 -v delta_key=d.c1 -v schema=production -v table=customers -v same_key="p.id = d.c1" -v key_json="jsonb_build_object('id', d.c1)" -v verdicts={update,delete} -v reload_id=1 -v table_name=customers
WITH held AS MATERIALIZED (
    SELECT
        d.place,
        d.verdict,
        d.seen AS expected,
        :key_json AS key,
        found.seen,
        found.before
    FROM (
        SELECT
            d.*,
            d.ctid AS place
        FROM :"keys" AS d
        WHERE d.verdict = any(:'verdicts'::text [])
        ORDER BY :delta_key
    ) AS d
    LEFT JOIN LATERAL (
        SELECT
            p.xmin::text AS seen,
            to_jsonb(p.*) AS before
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
        FOR UPDATE
    ) AS found ON TRUE
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key, before)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        'confirm',
        CASE WHEN held.verdict = 'delete' THEN 'deleted' ELSE 'updated' END,
        held.key,
        held.before
    FROM held
    WHERE held.seen = held.expected
)

UPDATE :"keys" AS d
SET verdict = 'moved'
FROM held
WHERE d.ctid = held.place AND (held.seen = held.expected) IS NOT TRUE;
