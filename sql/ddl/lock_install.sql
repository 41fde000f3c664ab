-- One installation at a time; held until the commit.
-- psql:
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:install', 0));
