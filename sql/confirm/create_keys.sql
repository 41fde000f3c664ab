-- The keys that are looked at again after a merge; their columns bear the numbers of staging's. ours: this reload wrote
-- the row. anywhere: the row is looked after wherever it is, else only in the window. seen: the row version (xmin) that
-- production had before the source was read; wrote and wrote_row: the version that a correction made, and of which
-- source row; moves and blocks: how often somebody else was faster, or a constraint of production refused. Gone with the session.
-- psql: -v keys=example_keys -v key_columns="s.id AS c1" -v staging_schema=staging -v staging_table=customers_r1 -v key_names=c1
CREATE TEMPORARY TABLE :"keys" AS
SELECT
    :key_columns,
    FALSE AS ours,
    TRUE AS anywhere,
    TRUE AS is_open,
    0 AS moves,
    0 AS blocks,
    NULL::text AS seen,
    NULL::text AS wrote,
    NULL::text AS wrote_row,
    NULL::text AS verdict
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;
ALTER TABLE :"keys"
ALTER COLUMN ours SET DEFAULT FALSE,
ALTER COLUMN anywhere SET DEFAULT TRUE,
ALTER COLUMN is_open SET DEFAULT TRUE,
ALTER COLUMN moves SET DEFAULT 0,
ALTER COLUMN blocks SET DEFAULT 0,
ADD PRIMARY KEY (:key_names);
