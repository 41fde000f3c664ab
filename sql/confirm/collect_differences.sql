-- The keys that a comparison found to differ: the rows are judged from now on. Returns how many are new.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v typed_keys="f.k1::integer" -v chosen=true
INSERT INTO :"keys" (:key_names, meanwhile)
SELECT DISTINCT
    :typed_keys,
    TRUE
FROM pg_temp.differences AS f
WHERE :chosen
ON CONFLICT (:key_names) DO NOTHING;
