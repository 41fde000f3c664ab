"""The ledger of the test before, emptied: to install it again takes longer than most tests."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, errors

from reload_assets.config.model import TargetConfig
from reload_assets.ledger.install import install
from reload_assets.postgres.session import create_schema

# All that a test may have changed: relations, columns, constraints, indexes, triggers, functions, rights.
_SHAPE = """
SELECT md5(concat_ws(
    ';',
    (SELECT concat_ws(',', n.oid, n.nspowner, n.nspacl) FROM pg_namespace AS n WHERE n.nspname = 'admin'),
    (SELECT string_agg(concat_ws(',', c.oid, c.relkind, c.relowner, c.relacl, c.relnatts, c.relhasrules,
                                 c.relhastriggers, c.relrowsecurity, c.relpersistence), ';' ORDER BY c.oid)
       FROM pg_class AS c WHERE c.relnamespace = 'admin'::regnamespace AND NOT c.relispartition),
    (SELECT string_agg(concat_ws(',', a.attrelid, a.attname, a.atttypid, a.attnotnull, a.attacl), ';'
                       ORDER BY a.attrelid, a.attnum)
       FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'admin'::regnamespace AND NOT c.relispartition AND a.attnum > 0),
    (SELECT string_agg(concat_ws(',', k.oid, k.convalidated), ';' ORDER BY k.oid)
       FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
      WHERE c.relnamespace = 'admin'::regnamespace AND NOT c.relispartition),
    (SELECT string_agg(i.indexrelid::text, ';' ORDER BY i.indexrelid)
       FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
      WHERE c.relnamespace = 'admin'::regnamespace AND NOT c.relispartition),
    (SELECT string_agg(p.oid::text, ';' ORDER BY p.oid)
       FROM pg_proc AS p WHERE p.pronamespace = 'admin'::regnamespace),
    (SELECT string_agg(concat(t.oid, t.tgenabled), ';' ORDER BY t.oid)
       FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
      WHERE c.relnamespace = 'admin'::regnamespace AND NOT c.relispartition),
    (SELECT string_agg(v.version::text, ';' ORDER BY v.version) FROM admin.schema_versions AS v)
))
"""
_EMPTY = """
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'admin.reload_changes'::regclass LOOP
        EXECUTE 'DROP TABLE ' || relation;
    END LOOP;
    EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class
         WHERE relnamespace = 'admin'::regnamespace AND relkind IN ('r', 'p')
           AND oid <> 'admin.schema_versions'::regclass
    );
END
$$;
SELECT setval(s.seqrelid::regclass, s.seqstart, FALSE)
FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid WHERE c.relnamespace = 'admin'::regnamespace
"""
# By server and database.
_installed: dict[tuple[int, str], str] = {}


def make_empty_ledger(connection: Connection[Any], target: TargetConfig) -> None:
    """Leave an installed, empty ledger, whatever the test before did to it, and no schema of production.

    ``connection`` is in autocommit mode; ``target`` has the usual names of schemas.
    """
    database = connection.info.port, connection.info.dbname
    connection.execute("DROP SCHEMA IF EXISTS production, staging CASCADE")
    if database in _installed and _shape(connection) == _installed[database]:
        connection.execute(_EMPTY)
        create_schema(connection, target.staging_schema)
    else:
        connection.execute("DROP SCHEMA IF EXISTS admin CASCADE")
        install(connection, target)
        installed = _shape(connection)
        assert installed
        _installed[database] = installed


def _shape(connection: Connection[Any]) -> str | None:
    """Return a text for all that the schema ``admin`` is made of, or None where it lacks a table."""
    try:
        row = connection.execute(_SHAPE).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None
    return str(row[0]) if row else None
