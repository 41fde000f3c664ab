-- The corrections that are held back or released, in the form of a merge's delta, to see which unique values move.
-- psql: -v delta=example_delta -v rows=confirm_rows_1 -v keys=confirm_keys_1 -v same_row="r.c1 = d.c1" -v verdicts="{held insert,held update}"
CREATE TEMPORARY TABLE :"delta" ON COMMIT DROP AS
SELECT
    r.*,
    CASE WHEN d.verdict LIKE '%insert' THEN 'inserted' ELSE 'updated' END AS outcome
FROM :"keys" AS d
INNER JOIN :"rows" AS r ON :same_row
WHERE d.is_open AND d.verdict = any(:'verdicts'::text []);
