-- Corrections have been made: their rows are to be read equal anew, but for those that are gone.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys"
SET
    settled = verdict = 'delete',
    brought_back = brought_back OR verdict = 'insert',
    noted = NULL,
    unequal = NULL
WHERE is_open AND verdict IN ('insert', 'update', 'delete', 'soft_delete');
