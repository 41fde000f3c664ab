-- Let the constraints that may wait do so: a circle of foreign keys, values that move between rows.
-- psql:
SET CONSTRAINTS ALL DEFERRED;
