-- Take all corrections back, to make them one by one.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys" SET verdict = 'held ' || verdict
WHERE is_open AND verdict IN ('insert', 'update', 'delete', 'soft_delete');
