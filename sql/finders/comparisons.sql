-- Comparisons of windows with the source: what they found, and which windows were compared when.
-- By hand: psql -f sql/example.psql -f sql/finders/comparisons.sql

-- name: insert_comparison
-- Record a comparison. found: its other columns as JSON. Returns its number.
INSERT INTO admin.comparisons (
    group_name, table_name, window_start, window_end, status, is_equal, run_id, began_at, source_rows,
    production_rows, source_rows_read, production_rows_read, segments, segments_differing, missing, older,
    content, unversioned, later, extra, left_by_policy, changing, source_seconds, production_seconds,
    waited_seconds, seconds, not_compared, detail
)
SELECT
    :'group_name'::text,
    :'table_name'::text,
    :'window_start'::timestamptz,
    :'window_end'::timestamptz,
    f.status,
    f.is_equal,
    :'run_id'::text,
    f.began_at,
    coalesce(f.source_rows, 0),
    coalesce(f.production_rows, 0),
    coalesce(f.source_rows_read, 0),
    coalesce(f.production_rows_read, 0),
    coalesce(f.segments, 0),
    coalesce(f.segments_differing, 0),
    coalesce(f.missing, 0),
    coalesce(f.older, 0),
    coalesce(f.content, 0),
    coalesce(f.unversioned, 0),
    coalesce(f.later, 0),
    coalesce(f.extra, 0),
    coalesce(f.left_by_policy, 0),
    coalesce(f.changing, 0),
    coalesce(f.source_seconds, 0),
    coalesce(f.production_seconds, 0),
    coalesce(f.waited_seconds, 0),
    coalesce(f.seconds, 0),
    coalesce(f.not_compared, '{}'::jsonb),
    f.detail
FROM jsonb_populate_record(NULL::admin.comparisons, :'found'::jsonb) AS f
RETURNING comparison_id;

-- name: list_last_comparisons
-- List each table's windows that end after an instant and were compared: the last comparison of any status, and the
-- last whole one.
SELECT
    table_name,
    window_start,
    window_end,
    max(compared_at) AS tried_at,
    max(compared_at) FILTER (WHERE status = 'compared') AS compared_at
FROM admin.comparisons
WHERE group_name = :'group_name'::text AND window_end > :'since'::timestamptz
GROUP BY table_name, window_start, window_end;
