-- The texts have been taken over, and the next ones need the name.
-- psql: -v texts=confirm_texts_1
DROP TABLE :"texts";
