-- Tell the planner what was filled in.
-- psql:
ANALYZE pg_temp.source_window, pg_temp.source_ranges;
