-- Hold the rows of which single columns will be corrected, and keep each as it is under its lock.
-- psql: -v keys=confirm_keys_1 -v delta_key=d.c1 -v schema=production -v table=customers -v same_key="p.id = d.c1"
UPDATE :"keys" AS k
SET held = found.held
FROM (
    SELECT
        d.place,
        p.held
    FROM (
        SELECT
            d.*,
            d.ctid AS place
        FROM :"keys" AS d
        WHERE d.is_open AND d.verdict = 'patch'
        ORDER BY :delta_key
    ) AS d
    LEFT JOIN LATERAL (
        SELECT to_jsonb(p.*) AS held
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
        FOR UPDATE
    ) AS p ON TRUE
) AS found
WHERE k.ctid = found.place;
