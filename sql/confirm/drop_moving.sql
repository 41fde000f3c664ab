-- The moving values have been looked at.
-- psql: -v delta=reload_delta_1
DROP TABLE :"delta";
