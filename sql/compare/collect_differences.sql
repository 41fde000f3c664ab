-- The keys that only one side has in the ranges, or both with other content.
-- psql: -v same_key="s.k1 = p.k1" -v either_key="coalesce(s.k1, p.k1)"
INSERT INTO pg_temp.differences
SELECT :either_key
FROM pg_temp.source_window AS s
FULL JOIN pg_temp.production_window AS p ON :same_key
WHERE s.content IS DISTINCT FROM p.content;
