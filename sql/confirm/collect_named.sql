-- A key that a skipped statement names. ours: CDC skipped it since this reload began to write, so that the state of the
-- row is this reload's doing. Returns a row where the key is new, or becomes this reload's.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v key_values="'7'" -v ours=true
INSERT INTO :"keys" AS k (:key_names, ours, brought_back, anywhere)
VALUES (:key_values, :'ours'::boolean, :'ours'::boolean, :'ours'::boolean)
ON CONFLICT (:key_names) DO UPDATE
    SET ours = TRUE, brought_back = TRUE, anywhere = TRUE, meanwhile = FALSE, is_open = TRUE
    WHERE :'ours'::boolean AND NOT (k.ours AND k.brought_back AND k.anywhere)
RETURNING TRUE AS is_collected;
