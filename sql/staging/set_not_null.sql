-- Declare a column that has no NULLs NOT NULL, as production has it.
-- psql: -v schema=staging -v table=orders_r1 -v column=order_id
ALTER TABLE :"schema".:"table" ALTER COLUMN :"column" SET NOT NULL;
