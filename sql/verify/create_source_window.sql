-- Room for the keys (k1, k2 ...) and versions of the source's window, as canonical text; gone with the transaction.
-- psql: -v keys="NULL::text AS k1"
CREATE TEMPORARY TABLE source_window ON COMMIT DROP AS
SELECT
    :keys,
    NULL::text AS version
WHERE FALSE;
