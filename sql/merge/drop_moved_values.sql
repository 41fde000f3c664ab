-- The values have moved.
-- psql: -v moved=reload_moved_1
DROP TABLE :"moved";
