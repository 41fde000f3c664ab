-- Count the open keys by verdict.
-- psql: -v keys=confirm_keys_1
SELECT
    verdict,
    count(*) AS keys
FROM :"keys"
WHERE is_open
GROUP BY verdict;
