-- Take in rows of the source that a DMS task has loaded; end them with a line of \. in psql.
-- psql: -v rows=confirm_rows_1 -v columns="c1, c2"
COPY :"rows" (:columns) FROM STDIN;
