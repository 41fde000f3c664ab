-- The catalog: triggers, rules, row security, defaults and checks, which can change what happens to a row that is written.
-- By hand: psql -f sql/example.psql -f sql/catalog/writes.sql

-- name: list_triggers
-- List the triggers of one table, of its partitions and of its heirs that fire in a session like this one. Triggers
-- that PostgreSQL made for constraints do not count. turns_away: the trigger runs before each row, so it can drop or
-- change the row.
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
    -- Leave out the copies of a trigger that the partitions have, which add nothing.
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
ORDER BY n.nspname || '.' || c.relname, t.tgname;

-- name: get_rewrites
-- Return how PostgreSQL rewrites this role's statements on a table: whether row security hides rows from it, and the
-- rules that are not compatible with ON CONFLICT, RETURNING or WITH. Also return the foreign tables among its partitions and
-- heirs, to which other servers write. Because of publications PostgreSQL refuses updates or deletes: if nothing identifies
-- the table's rows there, and if a publication's row filter names columns outside of that identity, or its list of columns
-- does not have all of it.
WITH RECURSIVE parts AS (
    SELECT c.oid
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
),

-- By which columns a publication can name the rows of a table: none of its columns, or no row at all.
leaves AS (
    SELECT
        l.oid,
        l.relnamespace,
        l.relreplident = 'f' AS is_full,
        CASE
            WHEN l.relreplident = 'f' THEN
                array(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = l.oid AND a.attnum > 0)
            ELSE
                (
                    SELECT array_agg(a.attname::text)
                    FROM pg_index AS x
                    INNER JOIN pg_attribute AS a ON x.indrelid = a.attrelid AND a.attnum = any(x.indkey::int2 [])
                    WHERE
                        x.indrelid = l.oid
                        AND CASE l.relreplident
                            WHEN 'd' THEN x.indisprimary AND x.indimmediate
                            ELSE l.relreplident = 'i' AND x.indisreplident
                        END
                )
        END AS identity,
        array(SELECT a.relid::oid FROM pg_partition_ancestors(l.oid) AS a (relid)) || l.oid AS places
    FROM parts
    INNER JOIN pg_class AS l ON parts.oid = l.oid AND l.relkind = 'r' AND l.relpersistence = 'p'
),

published AS (
    SELECT
        u.pubname::text AS publication,
        l.identity,
        l.is_full,
        r.filtered,
        r.listed
    FROM leaves AS l
    CROSS JOIN pg_publication AS u
    LEFT JOIN LATERAL (
        SELECT
            TRUE AS is_named,
            array(
                SELECT a.attname::text
                FROM regexp_matches(r.prqual::text, ':varattno (\d+)', 'g') AS named (parts)
                INNER JOIN pg_attribute AS a ON r.prrelid = a.attrelid AND a.attnum = named.parts[1]::integer
            ) AS filtered,
            (
                SELECT array_agg(a.attname::text)
                FROM pg_attribute AS a
                WHERE a.attrelid = r.prrelid AND a.attnum = any(r.prattrs::int2 [])
            ) AS listed
        FROM pg_publication_rel AS r
        WHERE u.oid = r.prpubid AND r.prrelid = any(l.places)
        -- The topmost one counts.
        ORDER BY array_position(l.places, r.prrelid) DESC
        LIMIT 1
    ) AS r ON TRUE
    WHERE
        (u.pubupdate OR u.pubdelete)
        AND (
            u.puballtables OR r.is_named
            OR EXISTS (
                SELECT 1
                FROM pg_publication_namespace AS m
                INNER JOIN pg_class AS place ON m.pnnspid = place.relnamespace
                WHERE u.oid = m.pnpubid AND place.oid = any(l.places)
            )
        )
)

SELECT
    row_security_active(c.oid) AS hides_rows,
    array(
        SELECT r.rulename::text
        FROM pg_rewrite AS r
        WHERE
            r.ev_class = c.oid AND r.ev_enabled IN ('O', 'A')
            -- 2 is UPDATE, 3 is INSERT, 4 is DELETE.
            AND r.ev_type IN ('2', '3', '4')
        ORDER BY r.rulename
    ) AS rules,
    array(
        WITH RECURSIVE parts AS (
            SELECT i.inhrelid AS oid
            FROM pg_inherits AS i
            WHERE i.inhparent = c.oid
            UNION
            SELECT i.inhrelid
            FROM pg_inherits AS i
            INNER JOIN parts ON i.inhparent = parts.oid
        )

        SELECT fn.nspname || '.' || f.relname
        FROM parts
        INNER JOIN pg_class AS f ON parts.oid = f.oid
        INNER JOIN pg_namespace AS fn ON f.relnamespace = fn.oid
        WHERE f.relkind = 'f'
        ORDER BY fn.nspname || '.' || f.relname
    ) AS foreign_parts,
    EXISTS (
        SELECT 1
        FROM published AS o
        WHERE o.identity IS NULL
    ) AS lacks_replica_identity,
    array(
        SELECT DISTINCT o.publication
        FROM published AS o
        WHERE
            o.identity IS NOT NULL
            AND (
                NOT (coalesce(o.filtered, '{}') <@ o.identity)
                OR (o.listed IS NOT NULL AND (o.is_full OR NOT (o.identity <@ o.listed)))
            )
        ORDER BY o.publication
    ) AS unsuitable_publications
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'schema' AND c.relname = :'table' AND c.relkind IN ('r', 'p');

-- name: list_tables_above
-- List the tables that one table is a partition or an heir of, and that so hold its rows too, with their schemas.
WITH RECURSIVE above AS (
    SELECT i.inhparent AS oid
    FROM pg_inherits AS i
    INNER JOIN pg_class AS c ON i.inhrelid = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION ALL
    SELECT i.inhparent
    FROM above AS a
    INNER JOIN pg_inherits AS i ON a.oid = i.inhrelid
)

SELECT n.nspname || '.' || c.relname AS name
FROM above AS a
INNER JOIN pg_class AS c ON a.oid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
ORDER BY name;

-- name: list_defaults
-- List the columns of a table that an insert can leave out, with the value that they get then: an SQL expression, NULL
-- for none. is_known: the value is the same for every row, as far as the catalog tells.
SELECT
    a.attname::text AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    coalesce(pg_get_expr(f.adbin, f.adrelid), pg_get_expr(t.typdefaultbin, 0)) AS expression,
    a.attidentity = ''
    AND NOT EXISTS (
        SELECT 1
        FROM regexp_matches(coalesce(f.adbin, t.typdefaultbin)::text, ':(?:op)?funcid (\d+)', 'g') AS called (parts)
        INNER JOIN pg_proc AS p ON p.oid = called.parts[1]::oid
        WHERE p.provolatile = 'v'
    ) AS is_known
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_type AS t ON a.atttypid = t.oid
LEFT JOIN pg_attrdef AS f ON a.attrelid = f.adrelid AND a.attnum = f.adnum
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum;

-- name: list_checks
-- List the CHECK constraints that new rows of a table meet, those of its partitions too: the condition as SQL over the
-- names of columns, and the columns that it names (NULL if it is about more than columns). is_known: it says the same of
-- equal rows, as far as the catalog tells.
WITH RECURSIVE parts AS (
    SELECT
        c.oid,
        TRUE AS is_whole
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT
        c.oid,
        FALSE AS is_whole
    FROM parts
    INNER JOIN pg_inherits AS h ON parts.oid = h.inhparent
    INNER JOIN pg_class AS c ON h.inhrelid = c.oid
    WHERE c.relispartition
)

SELECT
    con.conname::text AS name,
    n.nspname || '.' || c.relname AS part,
    parts.is_whole,
    pg_get_expr(con.conbin, con.conrelid) AS condition,
    CASE
        WHEN 1 <= all(coalesce(con.conkey, '{}')) THEN
            array(
                SELECT a.attname::text
                FROM pg_attribute AS a
                WHERE a.attrelid = con.conrelid AND a.attnum = any(con.conkey)
                ORDER BY a.attnum
            )
    END AS columns,
    NOT EXISTS (
        SELECT 1
        FROM regexp_matches(con.conbin::text, ':(?:op)?funcid (\d+)', 'g') AS called (parts)
        INNER JOIN pg_proc AS p ON p.oid = called.parts[1]::oid
        WHERE p.provolatile = 'v'
    ) AS is_known
FROM parts
INNER JOIN pg_constraint AS con ON parts.oid = con.conrelid
INNER JOIN pg_class AS c ON parts.oid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    con.contype = 'c'
    -- A partition has those of its parent as well.
    AND (parts.is_whole OR con.coninhcount = 0)
    -- Only newer servers have this column, for NOT ENFORCED.
    AND coalesce((to_jsonb(con) ->> 'conenforced')::boolean, TRUE)
ORDER BY parts.is_whole DESC, part, con.conname;
