-- Confirm, step 4 of 9: close the keys for which nothing is left to do, and count the others.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/4_close.sql

-- name: count_vanished
-- Count the open keys that neither side has and that were never read equal: rows of this reload, and others. The source
-- has deleted such a row, or has changed its key, and then its content is under the new key. A row of this reload whose
-- key has passed to another row before it was read equal counts, too.
SELECT
    count(*) FILTER (WHERE is_ours) AS ours,
    count(*) FILTER (WHERE NOT is_ours AND verdict = 'absent') AS others
FROM :"keys"
WHERE is_open AND NOT is_settled AND (verdict = 'absent' OR is_replaced);

-- name: close_settled
-- Close the keys for which nothing is left to do, and those that are blocked because production has refused the
-- correction several times. A row that somebody else has written is closed if it was read equal before, because CDC
-- keeps a correct row correct.
UPDATE :"keys"
SET
    is_open = times_refused < :'most_refused'::integer
    AND (verdict NOT IN (:finished, 'overtaken') OR (verdict = 'overtaken' AND NOT is_settled)),
    is_settled = is_settled OR verdict IN ('same', 'absent'),
    verdict = CASE WHEN times_refused < :'most_refused'::integer THEN verdict ELSE 'blocked' END
WHERE is_open;

-- name: count_verdicts
-- Count the open keys by verdict.
SELECT
    verdict,
    count(*) AS keys
FROM :"keys"
WHERE is_open
GROUP BY verdict;
