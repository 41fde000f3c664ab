-- Staged rows that production has otherwise: outcome, whether confirm or somebody else wrote them since, rows, some keys.
-- psql:
SELECT
    outcome,
    corrected,
    written_since,
    count(*) AS rows,
    (array_agg(key_text ORDER BY key_text))[1:5] AS examples
FROM pg_temp.staged_differing
GROUP BY outcome, corrected, written_since
ORDER BY outcome, corrected, written_since;
