-- What other ways of merging need: a logged staging table (with an index on the version and a
-- mark), and the delta that the bare limit is given.
-- psql:
CREATE SCHEMA seed_staging;
CREATE TABLE seed_staging.orders (
    order_id bigint PRIMARY KEY,
    customer_id integer,
    status varchar(20),
    amount numeric(12, 2),
    note varchar(100),
    created_at timestamp,
    updated_at timestamp,
    _dms_processing_status varchar(20) DEFAULT 'NEW'
);
CREATE INDEX idx_orders_updated_at ON seed_staging.orders (updated_at);
INSERT INTO seed_staging.orders
SELECT
    order_id,
    customer_id,
    status,
    amount,
    note,
    created_at,
    updated_at
FROM classes;
CREATE TABLE limit_delta AS
SELECT
    order_id,
    customer_id,
    status,
    amount,
    note,
    created_at,
    updated_at
FROM classes
WHERE class IN ('missing', 'newer')
ORDER BY order_id;
