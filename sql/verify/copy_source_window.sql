-- Fill in rows of the source; end them with a line of \. in psql.
-- psql:
COPY pg_temp.source_window FROM STDIN;
