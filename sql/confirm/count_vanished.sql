-- The open keys that neither side has and that were never read equal: rows of this reload, and others. Such a row was
-- deleted in the source, or its key was changed, and then its content went on with the new key.
-- psql: -v keys=confirm_keys_1
SELECT
    count(*) FILTER (WHERE ours) AS ours,
    count(*) FILTER (WHERE NOT ours) AS others
FROM :"keys"
WHERE is_open AND verdict = 'absent' AND NOT settled;
