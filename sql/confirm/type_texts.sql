-- Make typed rows of the texts, as DMS would have loaded them.
-- psql: -v rows=confirm_rows_1 -v typed="t.v1::integer, t.v2" -v texts=confirm_texts_1 -v chosen=true
INSERT INTO :"rows"
SELECT :typed
FROM :"texts" AS t
WHERE :chosen;
