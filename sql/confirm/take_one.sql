-- The next correction that was held back, of some verdicts.
-- psql: -v keys=confirm_keys_1 -v held="{held update}"
UPDATE :"keys" SET verdict = substr(verdict, 6)
WHERE ctid = (SELECT d.ctid FROM :"keys" AS d WHERE d.is_open AND d.verdict = any(:'held'::text []) LIMIT 1)
RETURNING verdict;
