-- The key of a row of the source that the target's types cannot hold, and why.
-- psql: -v rows=confirm_rows_1 -v key_names=c1 -v typed_key="t.v1::integer" -v texts=confirm_texts_1 -v chosen=true -v reason="value too long"
INSERT INTO :"rows" (:key_names, unfit)
SELECT
    :typed_key,
    :'reason'
FROM :"texts" AS t
WHERE :chosen;
