-- A setting of the server as it is now.
-- psql: -v name=enable_hashjoin
SELECT current_setting(:'name') AS setting;
