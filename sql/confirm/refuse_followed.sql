-- Of the locked rows, those that stay as they are because other rows refer to them and would follow: how many do, is the
-- beginning of the reason, which is returned. stays: whether a referring row is none of those that are deleted by the same statement.
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v child="ONLY production.orders" -v c_refers_to_p="c.customer_id = p.id" -v changes=true -v stays=true -v verdict=delete -v reason=" row(s) of production.orders refer to it"
UPDATE :"keys" AS k
SET verdict = 'refused ' || k.verdict, reason = found.children || :'reason'
FROM (
    SELECT
        d.ctid AS place,
        count(*) AS children
    FROM :"keys" AS d
    INNER JOIN :"schema".:"table" AS p ON :same_key
    LEFT JOIN :"rows" AS r ON :same_row
    INNER JOIN :child AS c ON :c_refers_to_p
    WHERE d.is_open AND d.verdict = :'verdict' AND :changes AND :stays
    GROUP BY d.ctid
) AS found
WHERE k.ctid = found.place
RETURNING k.reason;
