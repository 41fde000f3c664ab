-- Draw the verdict of a reload from its checks: verified once every blocking one has passed, rejected once one has not.
-- psql: -v reload_id=1
UPDATE admin.reloads AS r
SET
    status = v.status,
    error = CASE WHEN v.status = 'rejected' THEN v.complaint END,
    closed_at = CASE WHEN v.status = 'rejected' THEN clock_timestamp() END
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
