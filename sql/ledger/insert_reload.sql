-- Open a reload: its window is frozen from here on.
-- psql: -v group_name=sales -v window_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z -v load_start=2025-01-01T00:00Z -v partition_key=2025-01-01 -v tables={orders} -v started_by=me -v reason= -v run_id=r1 -v request_id=1
INSERT INTO admin.reloads (
    group_name, window_start, window_end, load_start, partition_key, tables, started_by, reason, run_id, request_id
)
VALUES (
    :'group_name', :'window_start'::timestamptz, :'window_end'::timestamptz, :'load_start'::timestamptz,
    :'partition_key', :'tables'::text [], :'started_by', nullif(:'reason'::text, ''), :'run_id', :'request_id'::bigint
)
RETURNING reload_id;
