-- The reloads of a run whose load has not ended.
-- psql: -v run_id=r1
SELECT reload_id
FROM admin.reloads
WHERE run_id = :'run_id' AND status IN ('open', 'loading')
ORDER BY reload_id;
