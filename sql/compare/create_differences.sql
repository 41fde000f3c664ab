-- Room for the keys of rows that differ, as canonical text (k1, k2 ...); gone with the transaction.
-- psql: -v keys="NULL::text AS k1"
CREATE TEMPORARY TABLE differences ON COMMIT DROP AS
SELECT :keys
WHERE FALSE;
