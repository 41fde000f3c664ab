-- A key that CDC named beside one of ours in a statement that it passed over.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v key_values="'7'" -v ours=true
INSERT INTO :"keys" (:key_names, ours, brought_back, anywhere)
VALUES (:key_values, :'ours'::boolean, :'ours'::boolean, :'ours'::boolean)
ON CONFLICT (:key_names) DO NOTHING;
