-- Hold all corrections back; they are released batch by batch.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys" SET verdict = 'held ' || verdict, batch = 0, reason = NULL
WHERE is_open AND verdict IN ('insert', 'update', 'delete', 'soft_delete');
