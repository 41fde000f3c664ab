"""Reload one time window of an Oracle -> PostgreSQL replication while AWS DMS keeps replicating."""
