-- Make the staging table of one reload: the source's columns in the source's order, and nothing else, because DMS
-- copies by position. Unlogged and without keys: it is filled once, fast, and made again rather than recovered.
-- psql: -v schema=staging -v table=orders_r2 -v columns="order_id integer, amount numeric(10,2)"
CREATE UNLOGGED TABLE :"schema".:"table" (:columns);
