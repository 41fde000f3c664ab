-- Forget staged rows that need not be looked at again.
-- psql: -v places="{\"(0,1)\"}"
DELETE FROM pg_temp.staged_differing WHERE ctid = any(:'places'::tid[]);
