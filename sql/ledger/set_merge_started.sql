-- A merge attempt begins; written outside the merge's transaction, so that it stays when the merge is rolled back. The
-- first attempt counts: its time, and the oldest transaction that ran then. All that this reload and CDC write from here
-- on bears a transaction number that is not older.
-- psql: -v reload_id=1
UPDATE admin.reloads
SET
    merge_started_at = coalesce(merge_started_at, clock_timestamp()),
    merge_started_xid = coalesce(merge_started_xid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
WHERE reload_id = :'reload_id'::bigint;
