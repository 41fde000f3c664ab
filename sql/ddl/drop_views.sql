-- Views are recreated by each installation: their columns may differ from the last version's.
-- psql:
DROP VIEW IF EXISTS
admin.merge_logs, admin.merge_summary, admin.oracle_pg_migration_status, admin.oracle_pg_type_verification,
admin.window_status;
