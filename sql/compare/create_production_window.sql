-- Production's rows of the ranges as one statement sees them: keys as canonical text, content as a hash. They are read
-- before the source's.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v keys="p.order_id::text AS k1" -v content="md5(p.order_id::text)" -v alive=true
CREATE TEMPORARY TABLE production_window ON COMMIT DROP AS
SELECT
    :keys,
    :content AS content
FROM pg_temp.source_ranges AS r
INNER JOIN :"schema".:"table" AS p ON p.:"window_column" >= r.range_start AND p.:"window_column" < r.range_end
WHERE :alive;
ANALYZE production_window;
