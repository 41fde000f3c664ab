-- The rows of the ranges have been compared, and the next ones need the names.
-- psql:
DROP TABLE pg_temp.source_window, pg_temp.production_window, pg_temp.source_ranges;
