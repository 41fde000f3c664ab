-- The lock that a session waits for, by when it began to: one row or none.
-- psql: -v pid=1
SELECT waitstart
FROM pg_locks
WHERE NOT granted AND pid = :'pid'::integer;
