-- All corrections are made or refused: the verdicts bear their own names again.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys"
SET
    verdict = CASE WHEN verdict LIKE 'refused %' THEN 'blocked' ELSE substr(verdict, 6) END,
    blocks = blocks + CASE WHEN verdict LIKE 'refused %' THEN 1 ELSE 0 END
WHERE is_open AND (verdict LIKE 'refused %' OR verdict LIKE 'done %');
