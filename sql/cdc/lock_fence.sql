-- One reload at a time keeps a CDC task stopped. Held until the end of the transaction.
-- psql: -v task_arn=arn
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:fence:' || :'task_arn', 0));
