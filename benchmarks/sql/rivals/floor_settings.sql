-- One index probe per row, as ours; for the transaction.
-- psql:
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL random_page_cost = 1.1;
SET LOCAL jit = off;
