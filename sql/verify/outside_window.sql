-- The staged rows that are not in the half-open window, and those that have no value in the window column at all;
-- no row where all is well.
-- psql: -v schema=staging -v table=orders_r1 -v window_column=updated_at -v window_start="timestamp '2025-01-01'" -v window_end="timestamp '2025-01-02'"
SELECT
    count(*) FILTER (WHERE :"window_column" IS NOT NULL) AS outside,
    count(*) FILTER (WHERE :"window_column" IS NULL) AS without,
    coalesce(min(:"window_column")::text, '') AS earliest,
    coalesce(max(:"window_column")::text, '') AS latest
FROM :"schema".:"table"
WHERE :"window_column" < :window_start OR :"window_column" >= :window_end OR :"window_column" IS NULL
HAVING count(*) > 0;
