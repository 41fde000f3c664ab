"""The values of a row in a unique index of any kind: over expressions, over some rows only, or an exclusion constraint.

PostgreSQL prints the expressions of an index over the names of production's columns, so a row that lies elsewhere is
given these names in a sub-select (``u``).
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from reload_assets.merge.judge import Named
from reload_assets.merge.pieces import MovingPieces
from reload_assets.merge.statements import MergeStatements, both, comma
from reload_assets.postgres.catalog import UniqueIndex
from reload_assets.tables import ReloadColumn, ReloadTable


def read_columns(table: ReloadTable, index: UniqueIndex) -> set[str]:
    """Return the columns whose values decide a row's values in an index, instead of columns generated from them."""
    found = set()
    for name in index.columns:
        column = table.production.column(name)
        found.update(column.computed_from if column.computed_as else [name])
    return found


def indexed(table: ReloadTable, index: UniqueIndex, row: Named) -> sql.Composable:
    """Return a sub-select of a row's values in an index (``u1`` ...), and of whether the index has the row."""
    return sql.SQL("(SELECT {}, {} AS is_indexed FROM {})").format(
        comma(
            sql.SQL("({}) AS {}").format(sql.SQL(expression), sql.Identifier(f"u{number}"))
            for number, expression in enumerate(index.expressions, start=1)
        ),
        condition(index),
        _renamed(table, index, row),
    )


def holds_value(index: UniqueIndex) -> sql.Composable:
    """Return the SQL condition that a row of production, the only one in scope, has the values of ``w`` in an index."""
    # The expressions name columns without an alias, because PostgreSQL prints them so.
    values = [
        _conflict(index, number, sql.SQL("({})").format(sql.SQL(expression)), sql.Identifier("w", f"u{number}"))
        for number, expression in enumerate(index.expressions, start=1)
    ]
    return both([*values, condition(index)])


def moving_pieces(statements: MergeStatements, index: UniqueIndex) -> MovingPieces:
    """Return the pieces by which the merge finds values of an index that move between rows of the delta."""
    table, numbered = statements.table, list(enumerate(index.expressions, start=1))
    by_name: dict[str | None, ReloadColumn] = {column.name: column for column in table.columns}
    # Exclusion constraints are mostly over types without an equality that says whether two values are the same.
    differ = "CAST({} AS text) IS DISTINCT FROM CAST({} AS text)" if index.operators else "{} IS DISTINCT FROM {}"

    def values_of(alias: str) -> list[sql.Composable]:
        row = statements.numbered(alias)
        names: Sequence[str | None] = index.key_columns or [None] * len(index.expressions)
        pairs = zip(names, index.expressions, strict=True)
        return [row(by_name[n]) if n in by_name else _value(table, index, one, row) for n, one in pairs]

    held = [sql.Identifier("p", f"u{number}") for number, _ in numbered]
    p_values: list[sql.Composable] = [
        sql.SQL("({}) AS {}").format(sql.SQL(expression), sql.Identifier(f"u{number}"))
        for number, expression in numbered
    ]
    gives_up: list[sql.Composable] = [
        sql.SQL(differ).format(new, old) for new, old in zip(values_of("d"), held, strict=True)
    ]
    takes_over: list[sql.Composable] = [
        _conflict(index, number, new, old)
        for number, (new, old) in enumerate(zip(values_of("t"), held, strict=True), start=1)
    ]
    if index.predicate:
        p_values.append(sql.SQL("{} AS is_indexed").format(condition(index)))
        kept = _value(table, index, index.predicate, statements.numbered("d"))
        gives_up.append(sql.SQL("{} IS NOT TRUE").format(kept))
        takes_over += [
            sql.SQL("p.is_indexed"),
            _value(table, index, index.predicate, statements.numbered("t")),
        ]
    if index.operators:
        # A row's new value may be in conflict with its own old one, as ranges that overlap are.
        takes_over.append(sql.SQL("t.ctid <> d.ctid"))
    return MovingPieces(comma(p_values), sql.SQL(" OR ").join(gives_up), both(takes_over))


def condition(index: UniqueIndex) -> sql.Composable:
    """Return the SQL condition that an index has a row, over the names of production's columns."""
    return sql.SQL("({})").format(sql.SQL(index.predicate or "true"))


def _conflict(index: UniqueIndex, number: int, one: sql.Composable, other: sql.Composable) -> sql.Composable:
    """Return the SQL condition that two rows cannot both be in an index, by the expression of that number."""
    if index.nulls_equal:
        return sql.SQL("{} IS NOT DISTINCT FROM {}").format(one, other)
    operator = index.operators[number - 1] if index.operators else "="
    return sql.SQL("{} {} {}").format(one, sql.SQL(operator), other)


def _value(table: ReloadTable, index: UniqueIndex, expression: str, row: Named) -> sql.Composable:
    return sql.SQL("(SELECT {} FROM {})").format(sql.SQL(expression), _renamed(table, index, row))


def _renamed(table: ReloadTable, index: UniqueIndex, row: Named) -> sql.Composable:
    """Return a sub-select of a row's columns that an index reads, by production's names, and of those generated."""
    by_name = {column.name: column for column in table.columns}
    read = comma(
        sql.SQL("{} AS {}").format(row(by_name[name]) if name in by_name else _unmarked(table), sql.Identifier(name))
        for name in sorted(read_columns(table, index))
    )
    columns = (table.production.column(name) for name in index.columns)
    generated = [
        sql.SQL("({}) AS {}").format(sql.SQL(column.computed_as), sql.Identifier(column.name))
        for column in columns
        if column.computed_as
    ]
    if not generated:
        return sql.SQL("(SELECT {}) AS u").format(read)
    return sql.SQL("(SELECT b.*, {} FROM (SELECT {}) AS b) AS u").format(comma(generated), read)


def _unmarked(table: ReloadTable) -> sql.Composable:
    """Return the value of a new row in the column that marks rows as deleted."""
    column = table.production.column(table.options.soft_delete_column or "")
    if column.type != "boolean":
        return sql.SQL("CAST(NULL AS {})").format(sql.SQL(column.type))
    return sql.SQL("false" if column.has_default else "CAST(NULL AS boolean)")
