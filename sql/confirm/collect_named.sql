-- A key that a skipped statement names. ours: CDC skipped it since this reload began to write, so that the state of the
-- row is this reload's doing; brought_back: the statement would have removed the row. Returns a row where the key is
-- new, or becomes this reload's.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v key_values="'7'" -v ours=true -v brought_back=false
INSERT INTO :"keys" AS k (:key_names, ours, brought_back, anywhere)
VALUES (:key_values, :'ours'::boolean, :'brought_back'::boolean, :'ours'::boolean)
ON CONFLICT (:key_names) DO UPDATE
    SET
        ours = TRUE,
        brought_back = k.brought_back OR excluded.brought_back,
        anywhere = TRUE,
        meanwhile = FALSE,
        is_open = TRUE
    WHERE excluded.ours AND NOT (k.ours AND k.anywhere AND (k.brought_back OR NOT excluded.brought_back))
RETURNING TRUE AS is_collected;
