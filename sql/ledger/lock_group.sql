-- One reload of a group is opened at a time, so that two cannot both find the window free. Held until the commit.
-- psql: -v group_name=sales
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:open:' || :'group_name', 0));
