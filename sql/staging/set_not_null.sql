-- Declare the columns that have no NULLs NOT NULL, as production has them: all at once, so that the table is read once.
-- psql: -v schema=staging -v table=orders_r1 -v changes="ALTER COLUMN order_id SET NOT NULL, ALTER COLUMN amount SET NOT NULL"
ALTER TABLE :"schema".:"table" :changes;
