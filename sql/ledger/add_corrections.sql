-- Add what a correction did to a table (rows); written in its transaction.
-- psql: -v reload_id=1 -v table_name=orders -v inserted=0 -v updated=0 -v deleted=0
UPDATE admin.reload_tables
SET
    confirm_inserted = confirm_inserted + :'inserted'::bigint,
    confirm_updated = confirm_updated + :'updated'::bigint,
    confirm_deleted = confirm_deleted + :'deleted'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
