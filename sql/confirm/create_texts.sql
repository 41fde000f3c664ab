-- Room for rows of the source as text, a column a column; gone with the transaction.
-- psql: -v texts=example_texts -v text_columns="v1 text, v2 text"
CREATE TEMPORARY TABLE :"texts" (:text_columns) ON COMMIT DROP;
