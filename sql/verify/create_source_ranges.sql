-- The ranges of the window column that are compared row by row; gone with the transaction.
-- psql: -v starts="{2025-01-01}" -v ends="{2025-01-02}"
CREATE TEMPORARY TABLE source_ranges ON COMMIT DROP AS
SELECT
    r.range_start,
    r.range_end
FROM unnest(:'starts'::timestamp[], :'ends'::timestamp[]) AS r (range_start, range_end);
