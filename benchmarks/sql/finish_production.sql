-- Indexes and keys after the rows.
-- psql:
CREATE INDEX orders_customer ON production.orders (customer_id);
CREATE INDEX orders_updated ON production.orders (updated_at);
ALTER TABLE production.orders ADD FOREIGN KEY (customer_id) REFERENCES production.customers;
