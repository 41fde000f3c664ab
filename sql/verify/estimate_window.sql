-- How many rows the planner expects in production's window; "Plan Rows" of the first plan. Nothing is read.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02
EXPLAIN (FORMAT JSON)
SELECT FROM :"schema".:"table" AS p
WHERE p.:"window_column" >= :'start'::timestamp AND p.:"window_column" < :'end'::timestamp;
