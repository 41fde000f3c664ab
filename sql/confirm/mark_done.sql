-- The correction that was taken is made, or a constraint of production has refused it.
-- psql: -v keys=confirm_keys_1 -v verdict=blocked
UPDATE :"keys"
SET verdict = :'verdict', blocks = blocks + CASE WHEN :'verdict' = 'blocked' THEN 1 ELSE 0 END
WHERE is_open AND verdict IN ('insert', 'update', 'delete', 'soft_delete');
