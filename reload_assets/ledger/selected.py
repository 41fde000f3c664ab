"""What a reload selects, in SQL: the rows of its window, or those with its keys (``admin.reload_keys``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, DataError, IntegrityError, sql

from reload_assets.canonical.postgres import TextRule, production_text
from reload_assets.errors.reloads import KeysUnreadable
from reload_assets.key_texts import says, spelled
from reload_assets.keys import key_rule
from reload_assets.ledger.records import Key, Reload
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadColumn, ReloadTable

_EXAMPLES = 3
# Each key that PostgreSQL refuses takes a statement to find, so the search ends with as many as anybody wants to know.
_ENOUGH = 100


@dataclass(frozen=True, kw_only=True)
class GivenPieces:
    """How texts of keys (``x``) become values of production's types, and these the canonical texts that are kept.

    ``x_means_them``: whether the texts say these values, which production can have, and were not rounded or guessed.
    """

    x_typed: sql.Composable
    x_canonical: sql.Composable
    x_means_them: sql.Composable


@dataclass(frozen=True, kw_only=True)
class PresentPieces:
    """How a given key finds its row of production."""

    schema: str
    table: str
    p_is_x: sql.Composable


@dataclass(frozen=True, kw_only=True)
class MomentPieces:
    """How a given key finds its row of production, and when that row lies, as text."""

    schema: str
    table: str
    p_is_x: sql.Composable
    p_moment: sql.Composable


def is_selected(
    reload: Reload, table: ReloadTable, zone: ZoneInfo, alias: str, *, staged: bool = False
) -> sql.Composable:
    """Return the SQL condition that a row ``alias`` of production, or of staging, is one that the reload selects.

    ``zone`` is the source's. By keys it is a semi-join, for which an index on the key serves.
    """
    bounds = reload.bounds(zone)
    if bounds is None:
        return is_among_keys(reload, table, alias, staged=staged)
    start, end = (sql.Literal(bound) for bound in bounds)
    return sql.SQL("({0} >= {1} AND {0} < {2})").format(_column(alias, table.window, staged=staged), start, end)


def is_among_keys(reload: Reload, table: ReloadTable, alias: str, *, staged: bool = False) -> sql.Composable:
    """Return the same for a reload that selects keys."""
    return sql.SQL("(({}) IN ({}))").format(
        _comma(_column(alias, column, staged=staged) for column in table.key), selected_keys(reload, table)
    )


def selected_keys(reload: Reload, table: ReloadTable) -> sql.Composable:
    """Return the query of the keys that a reload selects of a table, as values of production's types."""
    return sql.SQL("SELECT {} FROM admin.reload_keys AS x WHERE x.reload_id = {} AND x.table_name = {}").format(
        _comma(selected_values(table)),
        sql.Literal(reload.reload_id),
        sql.Literal(table.name),
    )


def selected_values(table: ReloadTable) -> list[sql.Composable]:
    """Return the values of a row ``x`` of ``admin.reload_keys``, of production's types, in the order of the key."""
    return [
        typed_text(table, column, sql.SQL("x.key[{}]").format(sql.Literal(number)))
        for number, column in enumerate(table.key, start=1)
    ]


def typed_text(table: ReloadTable, column: ReloadColumn, text: sql.Composable) -> sql.Composable:
    """Return the canonical text of a key's value as a value of production's type. No cast shortens it."""
    pair = table.pair(column)
    if pair is not None:
        return pair.typed(text)
    if column.target.base_type == "bytea":
        return sql.SQL("decode({}, 'hex')").format(text)
    return text if column.target.collatable else sql.SQL("CAST({} AS {})").format(text, sql.SQL(column.target.type))


def note_keys(connection: Connection[Any], reload_id: int, table: ReloadTable, keys: Sequence[Key]) -> None:
    """Note the keys that a reload selects of a table, each once and as canonical text, in the caller's transaction.

    Raises KeysUnreadable for keys that production's types do not take.
    """
    canonical = canonical_keys(connection, table, keys)
    run(
        connection,
        "ledger/keys:insert_keys",
        opened_reload_id=reload_id,
        table_name=table.name,
        key_list=json.dumps(canonical),
    )


def canonical_keys(connection: Connection[Any], table: ReloadTable, keys: Sequence[Key]) -> list[Key]:
    """Return keys as canonical text, each once. Raises KeysUnreadable for keys that production's types do not take."""
    wrong = [key for key in keys if len(key) != len(table.key)]
    found: list[Key] = []
    if not wrong:
        _read(connection, table, list(keys), found, wrong)
    if wrong:
        names = ", ".join(f"{column.name} {column.target.type}" for column in table.key)
        some = "; ".join(", ".join(key) for key in wrong[:_EXAMPLES])
        count = str(len(wrong)) if len(wrong) < _ENOUGH else f"{_ENOUGH} or more"
        raise KeysUnreadable(count, table.name, some, names)
    return list(dict.fromkeys(found))


def read_keys(connection: Connection[Any], reload_id: int, table: str) -> list[Key]:
    """Return the keys that a reload selects of a table, as canonical text."""
    rows = run(connection, "ledger/keys:list_keys", reload_id=reload_id, table_name=table).fetchall()
    return [tuple(key) for (key,) in rows]


def keys_in_production(connection: Connection[Any], table: ReloadTable, keys: Sequence[Key]) -> list[Key]:
    """Return those of some canonical keys whose rows production has."""
    pieces = PresentPieces(
        schema=table.production.schema, table=table.production.name, p_is_x=_production_is_given(table)
    )
    rows = run(connection, "ledger/keys:list_present", _given(table), pieces, key_list=json.dumps(list(keys)))
    return [tuple(key) for (key,) in rows.fetchall()]


def moments_in_production(
    connection: Connection[Any], table: ReloadTable, keys: Sequence[Key]
) -> list[tuple[Key, str]]:
    """Return the window column of production's rows with some canonical keys, as text in the source's zone.

    Keys without a row, or whose row has no time, are left out.
    """
    pair = table.pair(table.window)
    rule = pair.matching_rule if pair else None
    pieces = MomentPieces(
        schema=table.production.schema,
        table=table.production.name,
        p_is_x=_production_is_given(table),
        p_moment=production_text("p", table.window.name, rule or TextRule("timestamp")),
    )
    rows = run(
        connection, "ledger/keys:list_moments", _given(table), pieces, key_list=json.dumps(list(keys))
    ).fetchall()
    return [(tuple(key), moment) for key, moment in rows]


def _read(connection: Connection[Any], table: ReloadTable, keys: list[Key], found: list[Key], wrong: list[Key]) -> None:
    """Add the canonical texts of keys, and the keys that do not fit: halves that PostgreSQL refuses are tried apart."""
    if len(wrong) >= _ENOUGH:
        return
    try:
        with connection.transaction():
            rows = run(connection, "ledger/keys:list_canonical", _given(table), key_list=json.dumps(keys)).fetchall()
            found += [tuple(key) for key, other in rows if other is None]
            wrong += [tuple(other) for _, other in rows if other is not None]
    except (DataError, IntegrityError):
        if len(keys) == 1:
            wrong += keys
            return
        half = len(keys) // 2
        _read(connection, table, keys[:half], found, wrong)
        _read(connection, table, keys[half:], found, wrong)


def _production_is_given(table: ReloadTable) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("p", column.name), sql.Identifier("x", f"c{number}"))
        for number, column in enumerate(table.key)
    )


def _given(table: ReloadTable) -> GivenPieces:
    described = {source.name: source for source in table.source_columns or ()}
    return GivenPieces(
        x_typed=_comma(
            sql.SQL("{} AS {}").format(
                typed_text(
                    table, column, spelled(column.target, sql.SQL("(x.key ->> {})").format(sql.Literal(number)))
                ),
                sql.Identifier(f"c{number}"),
            )
            for number, column in enumerate(table.key)
        ),
        x_canonical=_comma(
            sql.SQL("CAST({} AS text)").format(
                production_text("x", f"c{number}", key_rule(described.get(column.source), column.target))
            )
            for number, column in enumerate(table.key)
        ),
        x_means_them=sql.SQL(" AND ").join(
            says(
                column.target,
                described.get(column.source),
                sql.SQL("(x.given ->> {})").format(sql.Literal(number)),
                sql.Identifier("x", f"c{number}"),
            )
            for number, column in enumerate(table.key)
        ),
    )


def _column(alias: str, column: ReloadColumn, *, staged: bool) -> sql.Identifier:
    return sql.Identifier(alias, column.staged if staged else column.name)


def _comma(pieces: Any) -> sql.Composed:
    return sql.SQL(", ").join(pieces)
