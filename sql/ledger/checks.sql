-- The ledger: the checks on staging, and the verdict of the reload.
-- By hand: psql -f sql/example.psql -f sql/ledger/checks.sql

-- name: set_check
-- Write one check's result into the verdict of a reload that is not merged yet.
UPDATE admin.reload_checks AS c
SET
    status = :'status',
    blocking = :'blocking'::boolean,
    detail = :'detail',
    checked_at = clock_timestamp()
FROM admin.reloads AS r
WHERE
    c.reload_id = r.reload_id AND r.reload_id = :'reload_id'::bigint
    AND r.status IN ('loaded', 'verified', 'rejected')
    AND c.table_name = :'table_name' AND c.check_name = :'check_name';

-- name: set_verdict
-- Set the verdict of a reload from its checks: verified once every blocking check has passed, rejected once one has
-- not.
UPDATE admin.reloads AS r
SET
    status = v.status,
    error = CASE WHEN v.status = 'rejected' THEN v.complaint END,
    -- When the first check rejected it: each table's checks come here.
    closed_at = CASE WHEN v.status = 'rejected' THEN coalesce(r.closed_at, clock_timestamp()) END
FROM (
    SELECT
        CASE
            WHEN bool_or(blocking AND status IN ('failed', 'could not verify')) THEN 'rejected'
            WHEN bool_or(blocking AND status = 'pending') THEN 'loaded'
            ELSE 'verified'
        END AS status,
        string_agg(
            table_name || '.' || check_name || ' ' || status || ': ' || detail, '; ' ORDER BY table_name, check_name
        ) FILTER (WHERE blocking AND status IN ('failed', 'could not verify')) AS complaint
    FROM admin.reload_checks
    WHERE reload_id = :'reload_id'::bigint
) AS v
WHERE r.reload_id = :'reload_id'::bigint AND r.status IN ('loaded', 'verified', 'rejected')
RETURNING r.status;

-- name: list_checks
-- List the checks of a reload, those that block the merge first.
SELECT
    table_name,
    check_name,
    status,
    blocking,
    detail
FROM admin.reload_checks
WHERE reload_id = :'reload_id'::bigint
ORDER BY (blocking AND status <> 'passed') DESC, table_name, check_name;
