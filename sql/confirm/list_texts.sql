-- The places of the texts.
-- psql: -v texts=confirm_texts_1
SELECT t.ctid::text AS place
FROM :"texts" AS t;
