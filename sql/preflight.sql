-- Doctor: what the target's server says of itself, of its sessions and of production's tables. Nothing is changed.
-- By hand: psql -f sql/example.psql -f sql/preflight.sql

-- name: get_deadlock_timeout
-- Return after how many milliseconds of a wait PostgreSQL looks for a deadlock, and ends one of its sessions.
SELECT s.setting::integer AS deadlock_timeout_ms
FROM pg_settings AS s
WHERE s.name = 'deadlock_timeout';

-- name: get_locks
-- Return how many relations a merge of some tables may lock: the tables, their partitions and heirs, and the indexes of
-- all of these. Also return for how many locks the server has room at least, for all of its sessions.
WITH RECURSIVE parts AS (
    SELECT c.oid
    FROM unnest(:'schemas'::text [], :'names'::text []) AS w (schema_name, table_name)
    INNER JOIN pg_namespace AS n ON w.schema_name = n.nspname
    INNER JOIN pg_class AS c ON n.oid = c.relnamespace AND w.table_name = c.relname
    UNION
    SELECT i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
)

SELECT
    (SELECT count(*) FROM parts)
    + (SELECT count(*) FROM pg_index AS x INNER JOIN parts ON x.indrelid = parts.oid) AS relations,
    current_setting('max_locks_per_transaction')::bigint
    * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) AS locks;

-- name: list_sizes
-- List some tables with the bytes that they take, with their partitions, heirs, indexes and TOAST tables.
WITH RECURSIVE parts AS (
    SELECT
        w.number,
        w.schema_name || '.' || w.table_name AS name,
        c.oid
    FROM unnest(:'schemas'::text [], :'names'::text []) WITH ORDINALITY AS w (schema_name, table_name, number)
    INNER JOIN pg_namespace AS n ON w.schema_name = n.nspname
    INNER JOIN pg_class AS c ON n.oid = c.relnamespace AND w.table_name = c.relname
    UNION
    SELECT
        parts.number,
        parts.name,
        i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
)

SELECT
    name,
    sum(pg_total_relation_size(oid))::bigint AS bytes
FROM parts
GROUP BY number, name
ORDER BY number;

-- name: list_long_transactions
-- List the transactions in this database that have been open for longer than a number of seconds, prepared ones too,
-- with the tables of some schemas that they have locked otherwise than by reading.
WITH open AS (
    SELECT
        a.pid,
        a.usename::text AS login,
        a.application_name AS application,
        a.state,
        a.xact_start AS began,
        NULL::text AS virtual_transaction
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
    UNION ALL
    SELECT
        NULL AS pid,
        p.owner::text AS login,
        p.gid AS application,
        'prepared' AS state,
        p.prepared AS began,
        '-1/' || p.transaction AS virtual_transaction
    FROM pg_prepared_xacts AS p
    WHERE p.database = current_database()
)

SELECT
    o.pid,
    o.login,
    o.application,
    o.state,
    extract(EPOCH FROM clock_timestamp() - o.began)::double precision AS seconds,
    array(
        SELECT DISTINCT n.nspname || '.' || c.relname
        FROM pg_locks AS l
        INNER JOIN pg_class AS c ON l.relation = c.oid
        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
        WHERE
            (l.pid = o.pid OR l.virtualtransaction = o.virtual_transaction)
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND l.granted AND l.mode <> 'AccessShareLock'
            AND n.nspname = any(:'schemas'::text []) AND c.relkind IN ('r', 'p')
    ) AS locked
FROM open AS o
WHERE o.began < clock_timestamp() - make_interval(secs => :'seconds'::double precision)
ORDER BY seconds DESC;

-- name: count_hidden_sessions
-- Count the sessions of this database of which this login may see no more than that they exist.
SELECT count(*) AS hidden
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.query = '<insufficient privilege>';

-- name: convert_texts
-- Convert the texts of a column in production's window to UTF-8, which is refused for the first that has none.
SELECT count(convert_to(p.:"column"::text, 'UTF8')) AS texts
FROM :"schema".:"table" AS p
WHERE p.:"window_column" >= :'start'::timestamp AND p.:"window_column" < :'end'::timestamp;

-- name: get_zone_of_login
-- Return the time zone that is set for the sessions of a login in this database: no row if the server's own applies.
SELECT substr(c.setting, strpos(c.setting, '=') + 1) AS zone
FROM pg_db_role_setting AS s
LEFT JOIN pg_roles AS r ON s.setrole = r.oid
LEFT JOIN pg_database AS d ON s.setdatabase = d.oid
CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
WHERE
    (s.setrole = 0 OR r.rolname = :'login')
    AND (s.setdatabase = 0 OR d.datname = current_database())
    AND lower(split_part(c.setting, '=', 1)) = 'timezone'
-- As PostgreSQL does it: what is set for the role outdoes what is set for the database.
ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
LIMIT 1;

-- name: try_condition
-- Return whether a condition holds for a new row, as a CHECK constraint takes it: NULL counts as yes.
SELECT (:condition) IS NOT FALSE AS holds
FROM (SELECT :new_values) AS new_row;

-- name: try_value
-- Give a default the type of its column, which a domain may refuse.
SELECT cast(:expression AS :column_type) AS value;

-- name: get_connection_limits
-- Return how many sessions the login and the database may have at once, and how many others they have; -1 for no limit
-- of their own. A superuser has none.
SELECT
    CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END AS of_role,
    CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END AS of_database,
    count(*) FILTER (WHERE a.usesysid = r.oid) AS by_role,
    count(*) FILTER (WHERE a.datid = d.oid) AS in_database
FROM pg_roles AS r
INNER JOIN pg_database AS d ON d.datname = current_database()
LEFT JOIN pg_stat_activity AS a
    ON a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND (a.usesysid = r.oid OR a.datid = d.oid)
WHERE r.rolname = current_user
GROUP BY r.rolsuper, r.rolconnlimit, d.datconnlimit;
