-- What tells how much a merge wrote: the end of the log, dead rows, deadlocks.
-- psql:
SELECT
    pg_current_wal_lsn() - '0/0'::pg_lsn AS wal,
    (SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = 'production.orders'::regclass) AS dead,
    (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS deadlocks;
