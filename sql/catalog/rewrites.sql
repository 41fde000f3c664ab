-- What PostgreSQL makes of statements of this role on a table: whether row security hides rows of it, and the rules that
-- ON CONFLICT or RETURNING does not go with.
-- psql: -v schema=production -v table=orders
SELECT
    row_security_active(c.oid) AS hides_rows,
    array(
        SELECT r.rulename::text
        FROM pg_rewrite AS r
        WHERE
            r.ev_class = c.oid AND r.ev_enabled IN ('O', 'A')
            -- 2 is UPDATE, 3 is INSERT, 4 is DELETE.
            AND (r.ev_type IN ('2', '3') OR (r.ev_type = '4' AND r.is_instead))
        ORDER BY r.rulename
    ) AS rules
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'schema' AND c.relname = :'table' AND c.relkind IN ('r', 'p');
