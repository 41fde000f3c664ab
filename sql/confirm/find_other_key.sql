-- A key that the source is said to have lost, though its window lists one that is the same but for its spelling, which
-- production does not have: perhaps the same row. Both keys.
-- psql: -v delta_key_texts="ARRAY[d.c1::text]" -v again_key_texts="ARRAY[a.c1::text]" -v keys=confirm_keys_1 -v again=confirm_rows_1 -v alike="lower(d.c1::text) = lower(a.c1::text)" -v same_again="a.c1 = d.c1" -v gone="d.is_open AND d.verdict = 'delete'" -v shape="''::text" -v shapes="{''}" -v schema=production -v table=customers -v again_in_production="p.id = a.c1"
SELECT
    :delta_key_texts AS key_texts,
    :again_key_texts AS other_key_texts
FROM :"keys" AS d
INNER JOIN :"again" AS a ON :alike
WHERE
    :gone AND :shape = any(:'shapes'::text [])
    AND NOT (:same_again)
    AND NOT EXISTS (SELECT 1 FROM :"schema".:"table" AS p WHERE :again_in_production)
LIMIT 1;
