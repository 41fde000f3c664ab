"""Finds the columns by which source and production can be compared, and composes the hash of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from psycopg import Connection, sql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule, production_text
from reload_assets.canonical.row_hash import Hashed, row_hash
from reload_assets.canonical.text import production_column
from reload_assets.conversions.declared import INTEGERS, PADDED, TEXTS, parse_type
from reload_assets.conversions.pair import Pair
from reload_assets.errors.source import SourceColumnType, SourceNotDescribed
from reload_assets.tables import ReloadColumn, ReloadTable

Inexact = Literal["none", "without lobs", "all"]
"""Which columns are compared by a text that may differ for equal values."""


class ComparedColumns:
    """The columns of one table that have the same text in source and production.

    ``columns`` are compared; of these, ``inexact`` ones have a text that may differ for values that do not.
    ``left_out`` has the reasons why others are not, by their names in the source; columns to which a reload is not
    limited are in neither. Raises SourceUnavailable if the source is not described, or if a key or version column has
    no such text.
    """

    def __init__(
        self,
        connection: Connection[Any],
        table: ReloadTable,
        paired: Sequence[ReloadColumn],
        inexact: Inexact = "none",
    ) -> None:
        """``paired``: the columns by whose text rows are matched. Each of them must have one."""
        if table.source_columns is None:
            raise SourceNotDescribed(table.source)
        self._table = table
        self.described = {column.name: column for column in table.source_columns}
        self.rules: dict[str, TextRule] = {column.source: self.rule(column) for column in paired}
        self.columns: list[ReloadColumn] = []
        self.inexact: list[ReloadColumn] = []
        self.left_out: dict[str, str] = {}
        self._to_utf8 = connection.info.parameter_status("server_encoding") != "UTF8"
        for column in table.judged_columns:
            pair = table.pair(column)
            if pair is not None and (rule := pair.shared_rule) is not None:
                self.columns.append(column)
                self.rules[column.source] = rule
            elif column.source in self.rules:
                # Rows are matched by it.
                continue
            elif pair is not None and (rule := _inexact(pair, inexact)) is not None:
                self.columns.append(column)
                self.inexact.append(column)
                self.rules[column.source] = rule
            else:
                self.left_out[column.source] = _why_not(self.described[column.source], column)

    def rule(self, column: ReloadColumn) -> TextRule:
        """Return the rule of a column's text. Raises SourceUnavailable where it has none."""
        described = self.described[column.source]
        pair = self._table.pair(column)
        rule = pair.matching_rule if pair else None
        if rule is None:
            raise SourceColumnType(
                column.source,
                described.why_without_text,
                "has no text that source and production share",
                "name another key or version column",
            )
        return rule

    @property
    def sources(self) -> Mapping[str, TextRule]:
        """The source's names of the compared columns, with their rules."""
        return self.rules_of(self.columns)

    def rules_of(self, columns: Sequence[ReloadColumn]) -> Mapping[str, TextRule]:
        """The source's names of some compared columns, with their rules."""
        return {column.source: self.rules[column.source] for column in columns}

    def without(self, columns: Sequence[ReloadColumn]) -> list[ReloadColumn]:
        """Return the compared columns except some."""
        names = {column.name for column in columns}
        return [column for column in self.columns if column.name not in names]

    def row_hash(self, alias: str, columns: Sequence[ReloadColumn] | None = None) -> Any:
        """Return the hash of a production row, of all compared columns or of some."""
        chosen = self.columns if columns is None else columns
        return row_hash(
            [Hashed(production_column(alias, c.name), self.described[c.source], self.rules[c.source]) for c in chosen],
            to_utf8=self._to_utf8,
        )

    def text(self, alias: str, column: ReloadColumn) -> sql.Composable:
        """Return the text of a production row's column by which rows are matched."""
        return production_text(alias, column.name, self.rules[column.source])

    def typed(self, text: sql.Composable, column: ReloadColumn) -> sql.Composed:
        """Return a matched text as a value by which an index of production finds it.

        No row of production has a text that does not fit: it is neither refused nor cut, and finds nothing.
        """
        declared = parse_type(column.target.base_type)
        if declared.base in INTEGERS:
            return _integer(text, declared.base)
        if declared.base in PADDED:
            return sql.SQL("CAST({} AS bpchar)").format(text)
        if declared.base in (*TEXTS, "numeric"):
            return sql.SQL("CAST({} AS {})").format(text, sql.SQL(declared.base))
        return _typed(text, column)


def typed_key(text: sql.Composable, column: ReloadColumn) -> sql.Composable:
    """Give the text of a key production's type, where the value is assigned."""
    # No cast of a text: it would cut one that is too long, where an assignment refuses it.
    return text if column.target.collatable else _typed(text, column)


def _inexact(pair: Pair, wanted: Inexact) -> TextRule | None:
    if wanted == "none" or (wanted == "without lobs" and pair.source.type.is_lob):
        return None
    return pair.inexact_rule


def _typed(text: sql.Composable, column: ReloadColumn) -> sql.Composed:
    if column.target.base_type == "bytea":
        return sql.SQL("decode({}, 'hex')").format(text)
    return sql.SQL("CAST({} AS {})").format(text, sql.SQL(column.target.type))


def _integer(text: sql.Composable, base: str) -> sql.Composed:
    most = 2 ** INTEGERS[base] - 1
    return sql.SQL(
        "CASE WHEN CAST({0} AS numeric) BETWEEN {1} AND {2} AND CAST({0} AS numeric) = trunc(CAST({0} AS numeric)) "
        "THEN CAST({0} AS {3}) END"
    ).format(text, sql.Literal(-most - 1), sql.Literal(most), sql.SQL(base))


def _why_not(source: SourceColumn, column: ReloadColumn) -> str:
    """Return why the content of a column is not compared."""
    if source.kind is None or not source.is_compared:
        return source.why_without_text
    return f"{source.declared}, {column.target.type} in production"
