-- Record which later reload confirmed what an unconfirmed one wrote.
-- By hand: psql -f sql/example.psql -f sql/ddl/0005_taken_up.sql
ALTER TABLE admin.reload_tables ADD COLUMN IF NOT EXISTS confirmed_with bigint;
COMMENT ON COLUMN admin.reload_tables.confirmed_with IS
'The later reload that has confirmed the rows that this one wrote and left unconfirmed.';
