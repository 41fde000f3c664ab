"""A run's tables in its databases: created, filled and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import Connection, sql

from reload_assets.local.oracle import create_schema, create_table
from reload_assets_tests.campaigns.schema import MARK, SOURCE_SCHEMA, Tables, TableSpec

Specs = Mapping[str, TableSpec]


def create_source(connection: Connection[Any], specs: Specs) -> None:
    """The source's tables, as an Oracle user's schema, instead of those of an earlier run."""
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SOURCE_SCHEMA)))
    create_schema(connection, SOURCE_SCHEMA)
    for spec in specs.values():
        create_table(connection, SOURCE_SCHEMA, spec.oracle)
        place = sql.Identifier(SOURCE_SCHEMA, spec.oracle.name)
        if spec.unique:
            unique = sql.Identifier(spec.unique.upper())
            connection.execute(sql.SQL("ALTER TABLE {} ADD UNIQUE ({})").format(place, unique))


def create_production(connection: Connection[Any], specs: Specs, *, watched: bool) -> None:
    """The tables of the schema ``production``; ``watched`` by the trigger that the bench has made."""
    for spec in specs.values():
        place = f"production.{spec.name}"
        division = f" PARTITION BY HASH ({spec.key[0]})" if spec.partitions else ""
        connection.execute(f"CREATE TABLE {place} ({spec.production}){division}".encode())
        for number in range(spec.partitions):
            connection.execute(
                f"CREATE TABLE {place}_{number} PARTITION OF {place} "
                f"FOR VALUES WITH (MODULUS {spec.partitions}, REMAINDER {number})".encode()
            )
        for column in {spec.window, spec.version}:
            connection.execute(f"CREATE INDEX ON {place} ({column})".encode())
        for statement in spec.indexes:
            connection.execute(statement.encode())
        if watched:
            connection.execute(
                f"CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON {place} "
                f"FOR EACH ROW EXECUTE FUNCTION campaign.watch('{spec.name}')".encode()
            )


def fill(connection: Connection[Any], specs: Specs, tables: Tables, *, on_source: bool) -> None:
    """Put the rows into tables that are empty."""
    # Damaged production may have children without a parent.
    connection.execute("SET session_replication_role = replica")
    for name, spec in specs.items():
        columns, place = _named(spec, on_source)
        with connection.cursor() as cursor:
            copied = sql.SQL("COPY {} ({}) FROM STDIN").format(place, columns)
            with cursor.copy(copied) as copy:
                for row in tables[name].values():
                    copy.write_row([spec.stored(column, row[column]) for column in spec.columns])


def read_tables(url: str, specs: Specs, *, on_source: bool) -> Tables:
    """Return all rows of a side except those that are marked as deleted."""
    found: Tables = {}
    with psycopg.connect(url) as connection:
        for name, spec in specs.items():
            columns, place = _named(spec, on_source)
            query = sql.SQL("SELECT {} FROM {}").format(columns, place)
            if not on_source and spec.policies.get("soft_delete_column"):
                query += sql.SQL(" WHERE {} IS NULL").format(sql.Identifier(MARK))
            found[name] = {}
            for values in connection.execute(query).fetchall():
                row = {column: spec.read(column, value) for column, value in zip(spec.columns, values, strict=True)}
                found[name][spec.key_of(row)] = row
    return found


def _named(spec: TableSpec, on_source: bool) -> tuple[sql.Composed, sql.Identifier]:
    names = [column.upper() for column in spec.columns] if on_source else spec.columns
    place = sql.Identifier(SOURCE_SCHEMA, spec.oracle.name) if on_source else sql.Identifier("production", spec.name)
    return sql.SQL(", ").join(map(sql.Identifier, names)), place
