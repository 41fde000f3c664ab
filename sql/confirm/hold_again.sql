-- Hold those corrections back again that production has refused: another one may have been in the way.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys" SET verdict = 'held ' || substr(verdict, 9), batch = 0
WHERE is_open AND verdict LIKE 'refused %';
