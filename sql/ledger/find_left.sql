-- The reloads that only a live run resumes: a load without its end, or a merged one whose confirm has none. A
-- verified reload and a merge in chunks wait for whoever materializes production next.
-- psql:
SELECT
    reload_id,
    run_id
FROM admin.reloads
WHERE status IN ('open', 'loading', 'loaded') OR (status = 'merged' AND confirm_status = 'pending')
ORDER BY reload_id;
