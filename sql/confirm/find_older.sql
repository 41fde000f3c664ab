-- The keys to be corrected whose row in the source, as it was read, is older than the staged one, or older than what CDC
-- has written into production since the reload was opened: CDC has passed the read, so the read itself may be of an old
-- copy. A row that the source lacks is older than any. Gone with the session.
-- psql: -v older=example_older -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v staging_schema=staging -v staging_table=customers_r1 -v numbered="s.id AS c1, s.name AS c2" -v same_staged="s.c1 = d.c1" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v older_than_staged="(s.c2 > r.c2)" -v older_than_production="(p.name > r.c2)" -v carried_since="(p.name > s.c2)" -v reload_id=1
CREATE TEMPORARY TABLE :"older" AS
SELECT d.*
FROM :"keys" AS d
LEFT JOIN :"rows" AS r ON :same_row
LEFT JOIN LATERAL (
    SELECT s.*
    FROM (SELECT :numbered FROM :"staging_schema".:"staging_table" AS s) AS s
    WHERE :same_staged
    LIMIT 1
) AS s ON TRUE
LEFT JOIN LATERAL (
    SELECT p.*
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS p ON TRUE
WHERE
    d.is_open AND d.verdict IN ('insert', 'update', 'delete', 'soft_delete')
    AND (
        (:older_than_staged) IS TRUE
        OR (
            -- Apart from p.*, which has all names that production's columns have. Not what the merge or a correction wrote.
            (
                SELECT
                    age(seen.xmin) <= age((found.opened_xid % 4294967296)::text::xid)
                    AND d.wrote IS DISTINCT FROM seen.xmin::text
                FROM (
                    SELECT p.xmin
                    FROM :"schema".:"table" AS p
                    WHERE :same_key
                    LIMIT 1
                ) AS seen
                CROSS JOIN admin.reloads AS found
                WHERE found.reload_id = :'reload_id'::bigint
            )
            AND (NOT d.ours OR (:carried_since) IS TRUE)
            AND ((r.*) IS NULL OR (:older_than_production) IS TRUE)
        )
    );
