"""Makes loaded columns production's types, and counts what production would refuse, which stays as it was loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, DataError, IntegrityError, sql

from reload_assets.conversions.staged import Staged
from reload_assets.postgres.catalog import read_columns
from reload_assets.postgres.refused import words_of
from reload_assets.postgres.statements import Part, run
from reload_assets.tables import ReloadColumn, ReloadTable


@dataclass(frozen=True)
class ConvertedColumn:
    """What the conversion of one staged column came to, in values.

    ``misfits`` are those that production's type refuses, ``changed`` those of which it loses what a user accepts to
    lose. With misfits, or a ``refusal`` in PostgreSQL's own words, the column is as it was loaded.
    """

    column: str
    misfits: int
    changed: int
    refusal: str | None = None


@dataclass(frozen=True)
class _Loaded:
    column: ReloadColumn
    staged: Staged

    @property
    def value(self) -> sql.Identifier:
        return sql.Identifier(self.column.staged)

    @property
    def alteration(self) -> sql.Composable:
        return sql.SQL("ALTER COLUMN {} TYPE {} USING {}").format(
            self.value, sql.SQL(self.column.target.type), self.staged.converted(self.value)
        )


def loaded_type(table: ReloadTable, column: ReloadColumn) -> str:
    """Return the type into which DMS loads a column: production's, or one that holds every value of the source."""
    pair = table.pair(column)
    staged = pair.staged if pair else None
    return staged.type if staged else column.target.type


def convert_columns(connection: Connection[Any], schema: str, name: str, table: ReloadTable) -> list[ConvertedColumn]:
    """Convert the columns of a loaded table that do not have production's types yet, in the caller's transaction.

    Values are counted in one pass over the table, and it is rewritten once. Where PostgreSQL then refuses a value that
    looked well, each value is tried.
    """
    # As they are now: a step that is tried again may have converted them before.
    types = {column.name: column.type for column in read_columns(connection, schema, name)}
    wanted = [
        _Loaded(column, pair.staged)
        for column, pair in table.pairs
        if pair.staged is not None and types.get(column.staged) != column.target.type
    ]
    if not wanted:
        return []
    counted = _count(connection, schema, name, wanted, Staged.clear_misfit)
    fitting = [one for one, found in zip(wanted, counted, strict=True) if not found.misfits]
    refusals = _alter(connection, schema, name, fitting)
    refused = [one for one in fitting if one.column.name in refusals]
    tried = {one.column: one for one in _count(connection, schema, name, refused, Staged.misfit)}
    return [
        replace(tried[found.column], refusal=None if tried[found.column].misfits else refusals[found.column])
        if found.column in tried
        else found
        for found in counted
    ]


def as_json(converted: list[ConvertedColumn]) -> str:
    """Write the conversions of a table for the ledger, by column."""
    return json.dumps(
        {one.column: {"misfits": one.misfits, "changed": one.changed, "refusal": one.refusal} for one in converted}
    )


def _count(
    connection: Connection[Any],
    schema: str,
    name: str,
    wanted: list[_Loaded],
    misfit: Callable[[Staged, sql.Composable], sql.Composed],
) -> list[ConvertedColumn]:
    if not wanted:
        return []

    def counts(conditions: list[sql.Composed]) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL("count(*) FILTER (WHERE {})").format(condition) for condition in conditions)

    pieces: dict[str, Part] = {
        "staging_schema": schema,
        "staging_table": name,
        "misfit_counts": counts([misfit(one.staged, one.value) for one in wanted]),
        "changed_counts": counts([one.staged.changed(one.value) for one in wanted]),
    }
    row = run(connection, "staging:count_misfits", pieces).fetchone()
    assert row is not None
    return [
        ConvertedColumn(one.column.name, misfits, changed) for one, misfits, changed in zip(wanted, *row, strict=True)
    ]


def _alter(connection: Connection[Any], schema: str, name: str, columns: list[_Loaded]) -> dict[str, str]:
    """Convert columns together, or each by itself where PostgreSQL refuses; why it refuses, by column."""
    if not columns:
        return {}
    pieces: dict[str, Part] = {
        "staging_schema": schema,
        "staging_table": name,
        "alterations": sql.SQL(", ").join(one.alteration for one in columns),
    }
    try:
        with connection.transaction():
            run(connection, "staging:convert_columns", pieces)
    except (DataError, IntegrityError) as error:
        if len(columns) == 1:
            return {columns[0].column.name: words_of(error)}
        refusals: dict[str, str] = {}
        for one in columns:
            refusals |= _alter(connection, schema, name, [one])
        return refusals
    return {}
