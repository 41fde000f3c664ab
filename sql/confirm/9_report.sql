-- Confirm, step 9 of 9: sum up what was found, for the ledger and the result's sentence.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/9_report.sql

-- name: count_keys
-- Count the keys that were read again: all, orphans, those left as they are by policy, and those whose correction
-- production refuses. Also return some of the orphans.
SELECT
    count(*) AS keys,
    count(*) FILTER (WHERE k.verdict = 'orphan') AS orphans,
    count(*) FILTER (WHERE k.verdict = 'left') AS left_alone,
    count(*) FILTER (WHERE k.times_refused >= :'most_refused'::integer) AS blocked,
    (array_agg(array_to_string(:k_key_texts, ', ')) FILTER (WHERE k.verdict = 'orphan'))[1:5] AS some_orphans
FROM :"keys" AS k;

-- name: count_rewritten
-- Count the rows that a trigger changed when they were written, and return the keys of some.
SELECT
    count(*) AS rewritten,
    (array_agg(array_to_string(:k_key_texts, ', ') ORDER BY :k_key_texts))[1:5] AS some
FROM :"keys" AS k
WHERE k.is_rewritten;

-- name: count_blocked
-- List the reasons why corrections were refused for good, each with its number of rows and some keys, the most frequent
-- first.
SELECT
    coalesce(k.reason, 'production refuses it') AS reason,
    count(*) AS blocked,
    (array_agg(array_to_string(:k_key_texts, ', ') ORDER BY :k_key_texts))[1:3] AS some
FROM :"keys" AS k
WHERE k.times_refused >= :'most_refused'::integer
GROUP BY k.reason
ORDER BY blocked DESC, reason;
