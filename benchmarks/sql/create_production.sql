-- The tables that are measured on: two secondary indexes and a foreign key, one of the indexes on the version column.
-- psql:
CREATE SCHEMA production;
CREATE TABLE production.customers (
    customer_id integer PRIMARY KEY,
    name varchar(40) NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE production.orders (
    order_id bigint PRIMARY KEY,
    customer_id integer NOT NULL,
    status varchar(20) NOT NULL,
    amount numeric(12, 2) NOT NULL,
    note varchar(100),
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
