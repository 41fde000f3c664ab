-- Take in rows of the source; end them with a line of \. in psql.
-- psql: -v texts=confirm_texts_1
COPY :"texts" FROM STDIN;
