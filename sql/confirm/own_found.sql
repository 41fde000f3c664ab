-- What a comparison has found may be this reload's doing, once a row of it went out of sight before it was read: no policy
-- leaves such a row as it is.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys" SET ours = TRUE
WHERE meanwhile AND NOT ours;
