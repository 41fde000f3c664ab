-- One merge of a window of a group at a time, whichever reload it belongs to; held until the end of the transaction.
-- psql: -v group_name=sales -v window_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z
SELECT
    pg_try_advisory_xact_lock(
        hashtextextended(
            'reload_assets:merge:' || :'group_name' || ':'
            || extract(EPOCH FROM :'window_start'::timestamptz) || ':'
            || extract(EPOCH FROM :'window_end'::timestamptz),
            0
        )
    ) AS locked;
