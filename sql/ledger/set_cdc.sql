-- Note what the gate saw of the CDC task before the load, and how far the clocks are apart.
-- psql: -v reload_id=1 -v task_arn=arn -v status=running -v lag_seconds=0.5 -v target_clock_offset_seconds=0.1 -v dms_clock_offset_seconds=-3 -v remarks={}
UPDATE admin.reloads
SET
    cdc_task_arn = :'task_arn',
    cdc_status = :'status',
    cdc_lag_seconds = :'lag_seconds'::float8,
    target_clock_offset_seconds = :'target_clock_offset_seconds'::float8,
    dms_clock_offset_seconds = :'dms_clock_offset_seconds'::float8,
    cdc_remarks = :'remarks'::text []
WHERE reload_id = :'reload_id'::bigint;
