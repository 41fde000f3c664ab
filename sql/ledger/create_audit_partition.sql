-- Give a reload its own partition of the audit. Made apart and attached, which lets other reloads go on meanwhile.
-- psql: -v partition=reload_changes_r2 -v reload_id=2
CREATE TABLE admin.:"partition" (LIKE admin.reload_changes INCLUDING ALL);
ALTER TABLE admin.reload_changes ATTACH PARTITION admin.:"partition" FOR VALUES IN (:reload_id);
