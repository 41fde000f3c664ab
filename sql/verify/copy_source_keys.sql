-- Fill in rows of the source; end them with a line of \. in psql.
-- psql: -v schema=staging -v table=source_keys_1
COPY :"schema".:"table" FROM STDIN;
