-- Tell the planner what was loaded.
-- psql: -v schema=staging -v table=orders_r1
ANALYZE :"schema".:"table";
