-- The catalog: the tables of a schema, what a target is if it is not a table, and whether it has a partition for each row.
-- By hand: psql -f sql/example.psql -f sql/catalog/targets.sql

-- name: list_tables
-- List the tables of a schema, without their partitions.
SELECT c.relname::text AS name
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'schema' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname;

-- name: get_kind
-- Return what a relation is (v = view, m = materialized view, f = foreign table, other letters as in pg_class), and the
-- tables that a view reads.
SELECT
    c.relkind::text AS kind,
    array(
        SELECT DISTINCT tn.nspname || '.' || t.relname
        FROM pg_rewrite AS r
        INNER JOIN pg_depend AS d ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        INNER JOIN pg_class AS t ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass
        INNER JOIN pg_namespace AS tn ON t.relnamespace = tn.oid
        WHERE r.ev_class = c.oid AND t.relkind IN ('r', 'p')
        ORDER BY tn.nspname || '.' || t.relname
    ) AS behind
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'schema' AND c.relname = :'table';

-- name: get_uncovered
-- Return which part of a window no partition covers, as text, and whether that is all of it. Returns no row for a table
-- that is not partitioned by ranges of the window column alone. A default partition covers everything.
WITH partitioned AS (
    SELECT
        p.partrelid,
        p.partdefid
    FROM pg_partitioned_table AS p
    INNER JOIN pg_class AS c ON p.partrelid = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND p.partattrs[0] = a.attnum
    WHERE
        n.nspname = :'schema' AND c.relname = :'table'
        AND p.partstrat = 'r' AND p.partnatts = 1 AND a.attname = :'column'
),

bounds AS (
    SELECT
        p.partrelid,
        regexp_match(
            pg_get_expr(c.relpartbound, c.oid), 'FROM \((MINVALUE|''[^'']*'')\) TO \((MAXVALUE|''[^'']*'')\)'
        ) AS ends
    FROM partitioned AS p
    -- A partition of which a DETACH has begun takes no rows.
    INNER JOIN pg_inherits AS i ON p.partrelid = i.inhparent AND NOT i.inhdetachpending
    INNER JOIN pg_class AS c ON i.inhrelid = c.oid
),

covered AS (
    SELECT
        b.partrelid,
        range_agg(
            tsrange(
                nullif(trim(b.ends[1], ''''), 'MINVALUE')::timestamp,
                nullif(trim(b.ends[2], ''''), 'MAXVALUE')::timestamp
            )
        ) AS ranges
    FROM bounds AS b
    WHERE b.ends IS NOT NULL
    GROUP BY b.partrelid
),

uncovered AS (
    SELECT
        tsmultirange(tsrange(:'start'::timestamp, :'end'::timestamp)) AS wanted,
        CASE
            WHEN p.partdefid <> 0 THEN '{}'::tsmultirange
            ELSE
                tsmultirange(tsrange(:'start'::timestamp, :'end'::timestamp))
                - coalesce(v.ranges, '{}'::tsmultirange)
        END AS missing
    FROM partitioned AS p
    LEFT JOIN covered AS v ON p.partrelid = v.partrelid
)

SELECT
    missing::text AS missing,
    missing = wanted AS is_everything
FROM uncovered
WHERE NOT isempty(missing);

-- name: list_open_tables
-- List the partitioned tables among a table and its partitions that have no place for some rows whatever the rows are:
-- they have no partition at all, or lack some of those by hash.
WITH RECURSIVE parts AS (
    SELECT
        c.oid,
        TRUE AS is_whole
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT
        h.inhrelid,
        FALSE AS is_whole
    FROM parts
    INNER JOIN pg_inherits AS h ON parts.oid = h.inhparent
    WHERE NOT h.inhdetachpending
),

partitioned AS (
    SELECT
        parts.is_whole,
        p.partrelid,
        p.partstrat,
        count(h.inhrelid) AS partitions,
        sum(1.0 / (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'modulus (\d+)'))[1]::numeric) AS hashed
    FROM parts
    INNER JOIN pg_partitioned_table AS p ON parts.oid = p.partrelid
    LEFT JOIN pg_inherits AS h ON p.partrelid = h.inhparent AND NOT h.inhdetachpending
    LEFT JOIN pg_class AS c ON h.inhrelid = c.oid
    GROUP BY parts.is_whole, p.partrelid, p.partstrat
)

SELECT
    n.nspname || '.' || c.relname AS part,
    t.is_whole,
    t.partitions = 0 AS is_empty,
    pg_get_partkeydef(t.partrelid) AS partition_key
FROM partitioned AS t
INNER JOIN pg_class AS c ON t.partrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE t.partitions = 0 OR (t.partstrat = 'h' AND t.hashed < 0.999999)
ORDER BY t.is_whole DESC, part;

-- name: get_bound
-- Return which rows a partition takes, and of which table it is one: no row for a table that is not a partition.
SELECT
    pg_get_expr(c.relpartbound, c.oid) AS bound,
    pn.nspname || '.' || p.relname AS parent
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_inherits AS h ON c.oid = h.inhrelid
INNER JOIN pg_class AS p ON h.inhparent = p.oid
INNER JOIN pg_namespace AS pn ON p.relnamespace = pn.oid
WHERE n.nspname = :'schema' AND c.relname = :'table' AND c.relispartition;
