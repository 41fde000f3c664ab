"""Canonical text and row hashes: the same for the same value on Oracle and on PostgreSQL."""
