-- The shapes of the keys that the source is said to have lost.
-- psql: -v shape="''::text" -v keys=confirm_keys_1 -v gone="d.is_open AND d.verdict = 'delete'"
SELECT DISTINCT :shape AS shape
FROM :"keys" AS d
WHERE :gone;
