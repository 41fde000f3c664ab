-- Delete the rows that the load's filter let through beside the half-open window: DMS knows no strict "less than" and
-- no fractions of a second, so up to a second on either side. Rows farther out are left for a check to find.
-- psql: -v schema=staging -v table=orders_r1 -v window_column=updated_at -v filter_start=2025-01-01 -v filter_end=2025-01-02 -v start=2025-01-01 -v end=2025-01-02
DELETE FROM :"schema".:"table"
WHERE
    (:"window_column" >= :'filter_start'::timestamp AND :"window_column" < :'start'::timestamp)
    OR (:"window_column" >= :'end'::timestamp AND :"window_column" <= :'filter_end'::timestamp);
