-- The ledger: what became of windows, for people who look at it from a terminal.
-- By hand: psql -f sql/example.psql -f sql/ledger/status.sql

-- name: list_window_status
-- List the newest windows of each group with their tables, the newest window first: the state, what the latest reload
-- changed, and why a table is red.
SELECT
    group_name,
    window_start,
    window_end,
    table_name,
    state,
    reload_id,
    inserted + updated + repaired + confirm_corrections AS changed,
    CASE
        WHEN state = 'green' THEN ''
        WHEN error IS NOT NULL THEN error
        WHEN failed_checks <> '' THEN failed_checks
        ELSE coalesce(confirm_detail, '')
    END AS reason,
    columns
FROM (
    SELECT
        w.*,
        dense_rank() OVER (PARTITION BY w.group_name ORDER BY w.window_start DESC, w.window_end DESC) AS place
    FROM admin.window_status AS w
    WHERE :'group_name' IN ('', w.group_name)
) AS ranked
WHERE place <= :'last_windows'::integer
ORDER BY group_name ASC, window_start DESC, window_end DESC, table_name ASC, columns ASC NULLS FIRST;
