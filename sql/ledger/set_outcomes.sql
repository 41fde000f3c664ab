-- Note the staged row outcomes of a table (rows); written in the merge's transaction.
-- psql: -v reload_id=1 -v table_name=orders -v started_at=2025-01-01T00:00Z -v inserted=0 -v updated=0 -v repaired=0 -v identical=0 -v refused=0 -v unversioned=0 -v skipped=0
UPDATE admin.reload_tables
SET
    inserted = :'inserted'::bigint,
    updated = :'updated'::bigint,
    repaired = :'repaired'::bigint,
    identical = :'identical'::bigint,
    refused = :'refused'::bigint,
    unversioned = :'unversioned'::bigint,
    skipped = :'skipped'::bigint,
    merge_started_at = :'started_at'::timestamptz,
    merge_ended_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
