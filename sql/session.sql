-- A new session on the target.
-- By hand: psql -f sql/example.psql -f sql/session.sql

-- name: open_session
-- Set what must hold for the whole session and cannot be given at the login, and tell with whom the session is: the
-- server's process, whether it is a standby, and whether the login or the database has settings that mend_session has to
-- change. Most have none, and this statement is cheap.
SELECT
    pg_backend_pid() AS server_process,
    pg_is_in_recovery() AS is_standby,
    current_setting('default_transaction_read_only') = 'on'
    OR current_setting('transaction_timeout', TRUE) <> '0'
    OR current_setting('session_replication_role') = 'replica'
    OR current_setting('search_path') ~ 'pg_(catalog|temp)' AS needs_mending,
    -- The variables PGDATESTYLE and PGTZ of libpq outdo what is asked for at the login.
    set_config('DateStyle', 'ISO, YMD', FALSE) AS date_style,
    set_config('TimeZone', 'UTC', FALSE) AS time_zone;

-- name: mend_session
-- Change settings of the login or the database that reloads cannot work with. Tell what makes the database read-only,
-- other than the login's own setting.
SELECT
    CASE
        WHEN current_setting('default_transaction_read_only')::boolean
            THEN
                (
                    SELECT s.source FROM pg_settings AS s
                    WHERE s.name = 'default_transaction_read_only' AND s.source NOT IN ('user', 'database user')
                )
    END AS read_only_by,
    set_config('default_transaction_read_only', 'off', FALSE) AS read_only,
    -- Of PostgreSQL 17 and later.
    CASE
        WHEN current_setting('transaction_timeout', TRUE) <> '0' THEN set_config('transaction_timeout', '0', FALSE)
    END AS transaction_timeout,
    -- A replica's session fires no triggers and checks no foreign keys. Only some logins may change that.
    CASE
        WHEN current_setting('session_replication_role') = 'replica'
            THEN set_config('session_replication_role', 'origin', FALSE)
    END AS replication_role,
    -- The login's own path stays, because triggers of production may rely on it. Temporary tables, and then built-in
    -- names, come first, which they do where the path does not name them.
    CASE
        WHEN current_setting('search_path') ~ 'pg_(catalog|temp)'
            THEN
                (
                    SELECT set_config('search_path', coalesce(string_agg(p.place, ',' ORDER BY p.position), ''), FALSE)
                    FROM regexp_split_to_table(current_setting('search_path'), ',')
                        WITH ORDINALITY AS p (place, position)
                    WHERE btrim(p.place, ' "') NOT IN ('pg_catalog', 'pg_temp')
                )
    END AS search_path;
