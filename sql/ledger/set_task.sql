-- Note the DMS task of a reload as soon as it exists, so that it can be found no matter what dies later.
-- psql: -v reload_id=1 -v task_identifier=reload-sales-1 -v task_arn=arn
UPDATE admin.reloads
SET task_identifier = :'task_identifier', task_arn = :'task_arn', status = 'loading'
WHERE reload_id = :'reload_id'::bigint;
