-- Note a table of a reload and the staging table that was made for it.
-- psql: -v reload_id=2 -v table_name=orders -v production_schema=production -v production_table=orders -v staging_schema=staging -v staging_table=orders_r1 -v definition="{}"
INSERT INTO admin.reload_tables (
    reload_id, table_name, production_schema, production_table, staging_schema, staging_table, staging_oid, definition
)
VALUES (
    :'reload_id'::bigint, :'table_name', :'production_schema', :'production_table', :'staging_schema', :'staging_table',
    to_regclass(quote_ident(:'staging_schema') || '.' || quote_ident(:'staging_table'))::oid,
    :'definition'::jsonb
);
