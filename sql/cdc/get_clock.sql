-- The target's clock.
-- psql:
SELECT clock_timestamp() AS instant;
