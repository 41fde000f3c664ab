-- The ledger: the merge of a reload.
-- By hand: psql -f sql/example.psql -f sql/ledger/merge.sql

-- name: take_up_failed
-- A reload whose merge failed is merged again: its staged rows were verified, and what failed may be fixed by now. Not
-- while a later reload of an overlapping window is under way.
UPDATE admin.reloads AS r
SET
    status = CASE
        WHEN EXISTS (SELECT 1 FROM admin.reload_tables AS t WHERE t.reload_id = r.reload_id AND t.merge_chunks > 0)
            THEN 'merging'
        ELSE 'verified'
    END,
    confirm_status = CASE WHEN r.confirm_status = 'unconfirmed' THEN 'pending' ELSE r.confirm_status END,
    closed_at = NULL,
    error = NULL
WHERE
    r.reload_id = :'reload_id'::bigint AND r.status = 'failed'
    AND NOT EXISTS (
        SELECT 1
        FROM admin.reloads AS later
        WHERE
            later.group_name = r.group_name AND later.reload_id > r.reload_id
            AND (
                (later.window_start < r.window_end AND later.window_end > r.window_start)
                OR (later.selection = 'keys' AND r.selection = 'keys' AND later.partition_key = r.partition_key)
            )
            AND (
                later.status IN ('open', 'loading', 'loaded', 'verified', 'merging')
                OR later.confirm_status = 'pending'
            )
    )
RETURNING r.status;

-- name: set_merge_started
-- Note that a merge attempt begins. This is written outside the merge's transaction, so that it stays if the merge is
-- rolled back. The first attempt counts: its time, and the oldest transaction that was running then. Everything that
-- this reload and CDC write from then on has a transaction number that is not older.
UPDATE admin.reloads
SET
    merge_started_at = coalesce(merge_started_at, clock_timestamp()),
    merge_started_xid = coalesce(merge_started_xid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
WHERE reload_id = :'reload_id'::bigint;

-- name: add_outcomes
-- Add the outcomes (rows) of a table, or of a chunk of it. Runs in the transaction that merges them. merged_through:
-- the last key of the chunk, as texts; NULL if the whole table is merged.
UPDATE admin.reload_tables
SET
    inserted = inserted + :'inserted'::bigint,
    updated = updated + :'updated'::bigint,
    repaired = repaired + :'repaired'::bigint,
    identical = identical + :'identical'::bigint,
    refused = refused + :'refused'::bigint,
    unversioned = unversioned + :'unversioned'::bigint,
    skipped = skipped + :'skipped'::bigint,
    merge_chunks = merge_chunks + 1,
    merged_through = :'merged_through'::text [],
    merge_started_at = coalesce(merge_started_at, :'started_at'::timestamptz),
    merge_ended_at = CASE WHEN :'merged_through'::text [] IS NULL THEN clock_timestamp() END
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';

-- name: set_merging
-- Note that some chunks of the merge are in production and others not yet. Runs in the transaction of each chunk.
UPDATE admin.reloads
SET status = 'merging', error = NULL, confirm_status = 'pending'
WHERE reload_id = :'reload_id'::bigint AND status IN ('verified', 'merging');

-- name: interrupt_merge
-- Note that a merge in chunks stopped between two of them, and why. It can be resumed.
UPDATE admin.reloads
SET error = :'error'
WHERE reload_id = :'reload_id'::bigint AND status = 'merging'
RETURNING reload_id;

-- name: set_merged
-- Note that the merge is done. Runs in the merge's transaction: if the process dies right after it, the ledger says
-- that the confirm is still pending.
UPDATE admin.reloads
SET
    status = 'merged',
    merge_ended_at = clock_timestamp(),
    closed_at = clock_timestamp(),
    error = NULL,
    confirm_status = 'pending'
WHERE reload_id = :'reload_id'::bigint AND status IN ('verified', 'merging');
