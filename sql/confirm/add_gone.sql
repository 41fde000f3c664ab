-- The keys that the source is said to have lost, among those that are looked for in its window.
-- psql: -v control=confirm_control_1 -v key_names=c1 -v delta_key=d.c1 -v shape="''::text" -v keys=confirm_keys_1 -v gone="d.is_open AND d.verdict = 'delete'" -v shapes="{''}"
INSERT INTO :"control" (:key_names, shape, is_found)
SELECT
    :delta_key,
    :shape,
    FALSE
FROM :"keys" AS d
WHERE :gone AND :shape = any(:'shapes'::text []);
