-- The triggers of one table, of its partitions and of its heirs that fire in a session like this one; those that
-- PostgreSQL made for constraints are none. turns_away: before each row, where a trigger can swallow it or change it.
-- psql: -v schema=production -v table=customers
WITH RECURSIVE parts AS (
    SELECT c.oid
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
)

SELECT
    t.tgname AS name,
    n.nspname || '.' || c.relname AS table,
    t.tgtype & 4 <> 0 AS on_insert,
    t.tgtype & 3 = 3 AS turns_away
FROM pg_trigger AS t
INNER JOIN parts ON t.tgrelid = parts.oid
INNER JOIN pg_class AS c ON parts.oid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    NOT t.tgisinternal
    -- The copies that the partitions have of a trigger of the table say nothing new.
    AND NOT EXISTS (
        SELECT 1
        FROM pg_trigger AS u
        INNER JOIN parts AS q ON u.tgrelid = q.oid
        WHERE u.oid = t.tgparentid
    )
    AND t.tgenabled IN (
        'A',
        CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END
    )
ORDER BY 2, 1;
