"""What a new row of production meets although the source has no say in it: defaults, CHECK constraints, partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.rows import class_row

from reload_assets.errors.tables import CheckNotFed, PartitionsLacking
from reload_assets.postgres.catalog import Column
from reload_assets.postgres.statements import compose, run
from reload_assets.preflight.finding import Finding, found
from reload_assets.tables import ReloadTable

# The classes of errors that no constraint raises: a lost session, a full server, the end of a statement that takes too
# long, and PostgreSQL's own faults. Those of _UNTRIED say that this login cannot try it.
_NOT_ITS_OWN = {"", "08", "53", "57", "58", "XX"}
_UNTRIED = {"0A", "42"}


@dataclass(frozen=True)
class Default:
    """What an insert that leaves out a column gives it. ``is_known``: every row gets the same."""

    name: str
    type: str
    expression: str | None
    is_known: bool

    def __str__(self) -> str:
        return f"{self.name} = {self.expression or 'NULL'}"


@dataclass(frozen=True)
class Check:
    """A CHECK constraint of a table or of one of its partitions. No ``columns``: it is about the row as a whole."""

    name: str
    part: str
    is_whole: bool
    condition: str
    columns: list[str] | None
    is_known: bool


def require_insertable(connection: Connection[Any], table: ReloadTable) -> list[Finding]:
    """Return warnings about new rows of a table that production may refuse. Raises ConfigError if it refuses all.

    What nothing feeds gets its default, or NULL. PostgreSQL itself says whether the constraints hold for that.
    """
    findings = list(_places(connection, table))
    defaults = _defaults(connection, table)
    for default in defaults.values():
        _require_default(connection, table, default)
    names = {"schema": table.production.schema, "table": table.production.name}
    with connection.cursor(row_factory=class_row(Check)) as cursor:
        checks = cursor.execute(compose("catalog/writes:list_checks"), names).fetchall()
    for check in checks:
        findings += _look_at_check(connection, table, check, defaults)
    findings += _look_at_unique(connection, table, defaults)
    return findings


def _places(connection: Connection[Any], table: ReloadTable) -> Iterator[Finding]:
    names = {"schema": table.production.schema, "table": table.production.name}
    if (bound := run(connection, "catalog/targets:get_bound", **names).fetchone()) is not None:
        rows, parent = bound
        yield found(
            "partition-alone",
            table.target,
            f"{table.target} is a partition of {parent} ({rows}); a window that has a row for another partition is not "
            "merged",
            f"name {parent} in target",
        )
    for part, is_whole, is_empty, key in run(connection, "catalog/targets:list_open_tables", **names).fetchall():
        if is_whole and is_empty:
            raise PartitionsLacking(table.target, key)
        yield found(
            "partition-gap",
            table.target,
            f"{part} is partitioned by {key} and has no partition{'' if is_empty else ' for some of the hashes'}; rows "
            "that would lie there are refused",
            "create the partition before such a window is reloaded",
        )


def _defaults(connection: Connection[Any], table: ReloadTable) -> Mapping[str, Default]:
    """Return what becomes of the columns that no column of the source feeds."""
    fed = {column.name for column in table.columns}
    names = {"schema": table.production.schema, "table": table.production.name}
    with connection.cursor(row_factory=class_row(Default)) as cursor:
        rows = cursor.execute(compose("catalog/writes:list_defaults"), names).fetchall()
    return {row.name: row for row in rows if row.name not in fed}


def _require_default(connection: Connection[Any], table: ReloadTable, default: Default) -> None:
    """Raise CheckNotFed if a column's own type refuses its default."""
    if not default.is_known:
        return
    parts = {"expression": _expression(default), "column_type": sql.SQL(default.type)}
    if (refused := _try(connection, "preflight:try_value", parts)) is not None:
        what = f"its type {default.type} refuses {default.expression or 'NULL'} ({refused})"
        raise CheckNotFed(f"{table.target}.{default.name}", what, table.source, [default.name])


def _look_at_check(
    connection: Connection[Any], table: ReloadTable, check: Check, defaults: Mapping[str, Default]
) -> Iterator[Finding]:
    by_name = {column.name: column for column in table.production.columns}
    generated = [by_name[name] for name in check.columns or () if by_name[name].generated]
    read = {name for name in check.columns or () if not by_name[name].generated}
    read.update(name for column in generated for name in column.computed_from)
    unfed = [defaults[name] for name in sorted(read & defaults.keys())]
    given = ", ".join(map(str, unfed))
    is_certain = check.columns is not None and check.is_known and len(unfed) == len(read)
    if is_certain and all(default.is_known for default in unfed):
        parts = {"condition": sql.SQL(check.condition), "new_values": _row(unfed, generated)}
        refused = _try(connection, "preflight:try_condition", parts)
        if refused is None:
            return
        what = f"the check {check.name} does not hold for a new row{f', where {given}' if given else ''}"
        if check.is_whole:
            raise CheckNotFed(table.target, what, table.source, [default.name for default in unfed])
        yield found(
            "check-unfed",
            table.target,
            f"{check.part}: {what}, so that no missing row of that partition can be inserted",
            "drop the check there, or give the columns another default",
        )
    elif columns := [default for default in unfed if default.name != table.options.soft_delete_column]:
        names = ", ".join(default.name for default in columns)
        yield found(
            "check-unfed",
            table.target,
            f"{check.part}: the check {check.name} is also about {names}, which no column of {table.source} feeds: new "
            f"rows for which it does not hold with {given} are refused",
            "see that it suits such rows, or write in columns from which column of the source it is loaded",
        )


def _look_at_unique(
    connection: Connection[Any], table: ReloadTable, defaults: Mapping[str, Default]
) -> Iterator[Finding]:
    """Yield a warning for each unique index in which all new rows would have the same values."""
    for index in table.production.unique_indexes:
        unfed = [defaults[name] for name in index.key_columns if name in defaults]
        if index.predicate is not None or not unfed or len(unfed) < len(index.key_columns):
            continue
        if not all(default.is_known for default in unfed):
            continue
        if not index.nulls_equal:
            known = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(one.name)) for one in unfed)
            if _try(connection, "preflight:try_condition", {"condition": known, "new_values": _row(unfed, [])}):
                continue
        names = ", ".join(default.name for default in unfed)
        yield found(
            "unique-unfed",
            table.target,
            f"{table.target}: no column of {table.source} feeds {names}, and {index.name} is unique: of the new rows "
            f"with {', '.join(map(str, unfed))} only one can be there",
            "give it a default that differs from row to row, or write in columns from which column of the source it is "
            "loaded",
        )


def _row(unfed: Sequence[Default], generated: Sequence[Column]) -> sql.Composable:
    """Return the columns of a sub-select that gives a new row's values."""
    row = sql.SQL(", ").join(
        sql.SQL("CAST({} AS {}) AS {}").format(_expression(one), sql.SQL(one.type), sql.Identifier(one.name))
        for one in unfed
    )
    if not unfed:
        return sql.SQL("1")
    if not generated:
        return row
    computed = sql.SQL(", ").join(
        sql.SQL("({}) AS {}").format(sql.SQL(one.computed_as or "NULL"), sql.Identifier(one.name)) for one in generated
    )
    return sql.SQL("b.*, {} FROM (SELECT {}) AS b").format(computed, row)


def _expression(default: Default) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(default.expression or "NULL"))


def _try(connection: Connection[Any], name: str, parts: Mapping[str, sql.Composable]) -> str | None:
    """Return why PostgreSQL refuses a value or a condition; None if it does not, or if this login cannot try it."""
    try:
        with connection.transaction():
            row = run(connection, name, parts).fetchone()
    except psycopg.DatabaseError as error:
        kind = (error.sqlstate or "")[:2]
        if kind in _NOT_ITS_OWN:
            raise
        # A function may raise an error of any code.
        return None if kind in _UNTRIED else error.diag.message_primary or str(error)
    return "it is false" if row is not None and row[0] is False and name.endswith("try_condition") else None
