-- Key a loaded staging table: faster after the load than before it.
-- psql: -v schema=staging -v table=orders_r1 -v key=order_id
ALTER TABLE :"schema".:"table" ADD PRIMARY KEY (:key);
