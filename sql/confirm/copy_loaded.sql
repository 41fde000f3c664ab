-- Give out the rows that a DMS task has loaded.
-- psql: -v schema=staging -v table=customers_r1
COPY :"schema".:"table" TO STDOUT;
