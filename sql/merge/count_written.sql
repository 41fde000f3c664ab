-- How many rows this session's transaction has written so far in some tables, their partitions and heirs, whatever wrote
-- them; and whether the server counts that.
-- psql: -v tables={16384}
WITH RECURSIVE parts AS (
    SELECT unnest(:'tables'::oid []) AS oid
    UNION
    SELECT i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
)

SELECT
    current_setting('track_counts')::boolean AS counts,
    coalesce(
        sum(
            pg_stat_get_xact_tuples_inserted(parts.oid) + pg_stat_get_xact_tuples_updated(parts.oid)
            + pg_stat_get_xact_tuples_deleted(parts.oid)
        ),
        0
    ) AS written
FROM parts;
