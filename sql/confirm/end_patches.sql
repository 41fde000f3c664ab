-- Columns of some numbered rows are corrected: the rows are to be read equal anew.
-- psql: -v keys=confirm_keys_1 -v first=1 -v last=1
UPDATE :"keys" SET noted = NULL
WHERE is_open AND verdict = 'patch' AND batch BETWEEN :'first'::integer AND :'last'::integer;
