-- Note what the gate saw of the CDC task before the load.
-- psql: -v reload_id=1 -v task_arn=arn -v status=running -v lag_seconds=0.5
UPDATE admin.reloads
SET cdc_task_arn = :'task_arn', cdc_status = :'status', cdc_lag_seconds = :'lag_seconds'::float8
WHERE reload_id = :'reload_id'::bigint;
