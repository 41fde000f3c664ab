-- Fill the source's window; end the rows with a line of \. in psql.
-- psql:
COPY pg_temp.source_window FROM STDIN;
