-- Room for rows of the source, with the columns of staging under their numbers and without their domains; gone with the
-- session. unfit: why the target's types cannot hold a row, of which there is the key only.
-- psql: -v rows=example_rows -v row_columns="s.id AS c1, s.name AS c2" -v staging_schema=staging -v staging_table=customers_r1
CREATE TEMPORARY TABLE :"rows" AS
SELECT
    :row_columns,
    NULL::text AS unfit
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;
