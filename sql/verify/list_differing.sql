-- The keys of staged rows that production has otherwise, as the source spells them.
-- psql: -v key_names=d.k1
SELECT :key_names FROM pg_temp.staged_differing AS d;
