-- Count a staging table: all of its rows, and those of the half-open window (wall-clock bounds of the source's zone).
-- psql: -v staging_schema=staging -v staging_table=orders_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02
SELECT
    count(*) AS staged,
    count(*) FILTER (
        WHERE :"window_column" >= :'start'::timestamp AND :"window_column" < :'end'::timestamp
    ) AS in_window,
    clock_timestamp() AS counted_at
FROM :"staging_schema".:"staging_table";
