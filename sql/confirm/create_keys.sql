-- The keys that are looked at again after a merge; their columns bear the numbers of staging's. Gone with the session.
-- ours: this reload wrote the row. brought_back: production has the row by this reload's doing, so that it goes when the
-- source lacks it, whatever the policy for orphans. anywhere: the row is looked after wherever it is, else only in the
-- window. meanwhile: it was found by comparing what changed during the reload; it is no orphan outside the window.
-- settled: the row was once read equal on both sides since this reload wrote it last. moves: how often somebody else
-- was faster; blocks: how often a constraint of production refused.
-- seen: the row version (xmin) that production had before the source was read; noted and noted_before: the row itself
-- at the last two times, of a row that moves; unequal: those of its columns that were never read equal; held: the row
-- under its lock. wrote and wrote_row: the version that a correction made, and of which source row.
-- batch: the corrections of one number are made together; reason: why the last one was refused, and what to do.
-- psql: -v keys=example_keys -v key_columns="s.id AS c1" -v staging_schema=staging -v staging_table=customers_r1 -v key_names=c1
CREATE TEMPORARY TABLE :"keys" AS
SELECT
    :key_columns,
    FALSE AS ours,
    FALSE AS brought_back,
    TRUE AS anywhere,
    FALSE AS meanwhile,
    TRUE AS is_open,
    FALSE AS settled,
    0 AS moves,
    0 AS blocks,
    NULL::text AS seen,
    NULL::jsonb AS noted,
    NULL::jsonb AS noted_before,
    NULL::text [] AS unequal,
    NULL::jsonb AS held,
    NULL::text AS wrote,
    NULL::text AS wrote_row,
    NULL::text AS verdict,
    0 AS batch,
    NULL::text AS reason
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;
ALTER TABLE :"keys"
ALTER COLUMN ours SET DEFAULT FALSE,
ALTER COLUMN brought_back SET DEFAULT FALSE,
ALTER COLUMN anywhere SET DEFAULT TRUE,
ALTER COLUMN meanwhile SET DEFAULT FALSE,
ALTER COLUMN is_open SET DEFAULT TRUE,
ALTER COLUMN settled SET DEFAULT FALSE,
ALTER COLUMN moves SET DEFAULT 0,
ALTER COLUMN blocks SET DEFAULT 0,
ALTER COLUMN batch SET DEFAULT 0,
ADD PRIMARY KEY (:key_names);
