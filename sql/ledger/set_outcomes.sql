-- Add the staged row outcomes of a table, or of a chunk of it (rows); written in the transaction that merged them.
-- merged_through: the last key of the chunk, as texts; NULL when the table is merged to its end.
-- psql: -v reload_id=1 -v table_name=orders -v started_at=2025-01-01T00:00Z -v merged_through={5} -v inserted=0 -v updated=0 -v repaired=0 -v identical=0 -v refused=0 -v unversioned=0 -v skipped=0
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
