-- Tell the planner what a temporary table holds.
-- psql: -v table=confirm_rows_1
ANALYZE :"table";
