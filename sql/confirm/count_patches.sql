-- How many rows are numbered, of which single columns will be corrected.
-- psql: -v keys=confirm_keys_1
SELECT count(*) FROM :"keys" AS d WHERE d.is_open AND d.verdict = 'patch' AND d.batch > 0;
