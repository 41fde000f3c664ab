-- Confirm, step 9 of 9: what was found, for the ledger and the result's sentence.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/9_report.sql

-- name: count_keys
-- Count the keys that were read again: all, orphans, those left alone by policy, those whose correction production
-- refuses; with some of the orphans.
SELECT
    count(*) AS keys,
    count(*) FILTER (WHERE k.verdict = 'orphan') AS orphans,
    count(*) FILTER (WHERE k.verdict = 'left') AS left_alone,
    count(*) FILTER (WHERE k.times_refused >= :'most_refused'::integer) AS blocked,
    (array_agg(array_to_string(:k_key_texts, ', ')) FILTER (WHERE k.verdict = 'orphan'))[1:5] AS some_orphans
FROM :"keys" AS k;

-- name: count_blocked
-- Why corrections were refused for good: the reasons, how many rows each, and the keys of some, beginning with the
-- most.
SELECT
    coalesce(k.reason, 'production refuses it') AS reason,
    count(*) AS blocked,
    (array_agg(array_to_string(:k_key_texts, ', ') ORDER BY :k_key_texts))[1:3] AS some
FROM :"keys" AS k
WHERE k.times_refused >= :'most_refused'::integer
GROUP BY k.reason
ORDER BY blocked DESC, reason;
