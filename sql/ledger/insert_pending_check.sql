-- Note a check that a reload must pass before its merge.
-- psql: -v reload_id=1 -v table_name=orders -v check_name=example
INSERT INTO admin.reload_checks (reload_id, table_name, check_name, status, blocking)
VALUES (:'reload_id'::bigint, :'table_name', :'check_name', 'pending', TRUE);
