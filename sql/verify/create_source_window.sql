-- Room for rows of the source: keys (k1, k2 ...) and version as canonical text, content as a hash; gone with the
-- transaction.
-- psql: -v keys="NULL::text AS k1"
CREATE TEMPORARY TABLE source_window ON COMMIT DROP AS
SELECT
    :keys,
    NULL::text AS version,
    NULL::text AS content
WHERE FALSE;
