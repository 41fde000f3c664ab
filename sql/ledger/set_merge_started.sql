-- A merge attempt begins; written outside the merge's transaction, so that it stays when the merge is rolled back.
-- psql: -v reload_id=1
UPDATE admin.reloads SET merge_started_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint;
