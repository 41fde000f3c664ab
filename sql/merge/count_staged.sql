-- Count a staging table or a range of its keys: all of its rows, and those of the half-open window (wall-clock bounds of
-- the source's zone).
-- psql: -v staging_schema=staging -v staging_table=orders_r1 -v in_range=true -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02
SELECT
    count(*) AS staged,
    count(*) FILTER (
        WHERE s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
    ) AS in_window,
    clock_timestamp() AS counted_at
FROM :"staging_schema".:"staging_table" AS s
WHERE :in_range;
