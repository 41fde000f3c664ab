-- Which table bears the name of a staging table now; NULL where none does.
-- psql: -v schema=staging -v table=orders_r1
SELECT to_regclass(quote_ident(:'schema') || '.' || quote_ident(:'table'))::oid AS staging_oid;
