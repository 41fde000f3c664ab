-- The ledger: the load of a reload, from its DMS task to the rows in staging.
-- By hand: psql -f sql/example.psql -f sql/ledger/load.sql

-- name: set_source_rows
-- Write how many rows of the window the source has, before the load and after it.
UPDATE admin.reload_tables
SET
    source_rows_before = coalesce(:'source_rows_before'::bigint, source_rows_before),
    source_rows_after = coalesce(:'source_rows_after'::bigint, source_rows_after)
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';

-- name: set_task
-- Write the DMS task of a reload as soon as it exists, so that it can be found no matter which process dies later.
UPDATE admin.reloads
SET task_identifier = :'task_identifier', task_arn = :'task_arn', status = 'loading'
WHERE reload_id = :'reload_id'::bigint;

-- name: set_loading
-- Note that a load begins that needs no DMS task.
UPDATE admin.reloads SET status = 'loading'
WHERE reload_id = :'reload_id'::bigint AND status = 'open';

-- name: set_dms_rows
-- Write how many rows DMS reports as loaded into a table of a reload.
UPDATE admin.reload_tables SET dms_rows = :'dms_rows'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';

-- name: set_loaded
-- Note that the load has succeeded, before an instant of the source's clock.
UPDATE admin.reloads
SET
    status = 'loaded',
    loaded_at = clock_timestamp(),
    stop_reason = :'stop_reason',
    source_read_until = coalesce(:'source_read_until'::timestamptz, clock_timestamp())
WHERE reload_id = :'reload_id'::bigint AND status = 'loading';

-- name: set_task_removed
-- Note that the DMS task of a reload is deleted.
UPDATE admin.reloads SET task_removed_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND task_removed_at IS NULL;

-- name: set_conversions
-- Write what the conversion of loaded columns to production's types came to, by column.
UPDATE admin.reload_tables SET conversions = :'conversions'::jsonb
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';

-- name: set_staged
-- Write the row counts of a load: the rows of the window, and the rows outside it that were trimmed.
UPDATE admin.reload_tables SET staged_rows = :'staged_rows'::bigint, trimmed_rows = :'trimmed_rows'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
