"""Canonical text and row hashes: Oracle and PostgreSQL give the same for the same value."""
