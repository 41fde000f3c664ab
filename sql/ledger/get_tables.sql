-- The tables of a reload with their counts (rows).
-- psql: -v reload_id=1
SELECT
    table_name,
    staging_schema,
    staging_table,
    staging_oid,
    staging_dropped_at,
    source_rows_before,
    source_rows_after,
    dms_rows,
    trimmed_rows,
    staged_rows,
    inserted,
    updated,
    repaired,
    identical,
    refused,
    unversioned,
    skipped,
    merged_through,
    merge_chunks,
    merge_ended_at,
    confirm_keys,
    confirm_inserted,
    confirm_updated,
    confirm_deleted,
    orphans
FROM admin.reload_tables
WHERE reload_id = :'reload_id'::bigint
ORDER BY id;
