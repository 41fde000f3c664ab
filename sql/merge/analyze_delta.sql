-- Tell the planner what the delta holds.
-- psql: -v delta=reload_delta_1
ANALYZE :"delta";
