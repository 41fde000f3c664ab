-- Set a setting of the server until the end of the transaction.
-- psql: -v name=lock_timeout -v value=400ms
SELECT set_config(:'name', :'value', TRUE);
