-- What a setting of the server is at the moment.
-- psql: -v name=lock_timeout
SELECT current_setting(:'name');
