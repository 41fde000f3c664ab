"""Which columns of a table source and production can be compared by, and the row hash of these."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.canonical.oracle_types import Kind, SourceColumn
from reload_assets.canonical.postgres import production_text
from reload_assets.canonical.row_hash import Hashed, row_hash
from reload_assets.canonical.text import production_column
from reload_assets.errors.source import SourceColumnType, SourceNotDescribed
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadColumn, ReloadTable

_TEXTS = ("text", "character varying", "character", "citext")
# Production's types whose values have the text of the source's kind: no text is made of numbers in a text column.
FAMILIES: Mapping[Kind, Sequence[str]] = {
    "number": ("smallint", "integer", "bigint", "numeric"),
    "bare": ("smallint", "integer", "bigint", "numeric"),
    "text": _TEXTS,
    "padded": _TEXTS,
    "blanks": _TEXTS,
    "date": ("timestamp without time zone",),
    "timestamp": ("timestamp without time zone",),
    "raw": ("bytea",),
}


class ComparedColumns:
    """The columns of one table that have a text which source and production share.

    ``columns`` are compared, ``left_out`` says why by the source's names of those that are not. Raises
    SourceUnavailable where the source is not described, or a key or version column has no such text.
    """

    def __init__(self, connection: Connection[Any], table: ReloadTable, paired: Sequence[ReloadColumn]) -> None:
        """``paired``: the columns by whose text rows are matched; each of them needs one."""
        if table.source_columns is None:
            raise SourceNotDescribed(table.source)
        self.described = {column.name: column for column in table.source_columns}
        self.kinds = {column.source: self.kind(column) for column in paired}
        self.columns: list[ReloadColumn] = []
        self.left_out: dict[str, str] = {}
        self._to_utf8 = connection.info.parameter_status("server_encoding") != "UTF8"
        place = {"schema": table.production.schema, "table": table.production.name}
        types: dict[str, str] = dict(run(connection, "verify/1_source_keys:list_base_types", **place).fetchall())
        for column in table.columns:
            why = _why_not(self.described[column.source], types[column.name])
            if why is None:
                self.columns.append(column)
            elif column.source not in self.kinds:
                self.left_out[column.source] = why

    def kind(self, column: ReloadColumn) -> Kind:
        """Return the rule of a column's text. Raises SourceUnavailable where it has none."""
        described = self.described[column.source]
        if described.kind is None:
            raise SourceColumnType(
                column.source,
                described.why_without_text,
                "has no text that source and production share",
                "name another key or version column",
            )
        return described.kind

    @property
    def sources(self) -> list[str]:
        """The source's names of the compared columns."""
        return [column.source for column in self.columns]

    def without(self, columns: Sequence[ReloadColumn]) -> list[ReloadColumn]:
        """Return the compared columns except some."""
        names = {column.name for column in columns}
        return [column for column in self.columns if column.name not in names]

    def row_hash(self, alias: str, columns: Sequence[ReloadColumn] | None = None) -> Any:
        """Return the hash of a production row, of all compared columns or of some."""
        chosen = self.columns if columns is None else columns
        return row_hash(
            [Hashed(production_column(alias, c.name), self.described[c.source]) for c in chosen],
            to_utf8=self._to_utf8,
        )

    def text(self, alias: str, column: ReloadColumn) -> sql.Composable:
        """Return the text of a production row's column by which rows are matched."""
        scale = self.described[column.source].delivery.number_scale
        return production_text(alias, column.name, self.kinds[column.source], scale)

    def typed(self, text: sql.Composable, column: ReloadColumn) -> sql.Composed:
        """Return a matched text as a value of production's type, so that an index finds it."""
        return _typed(text, column, self.kinds[column.source])


def typed_key(text: sql.Composable, column: ReloadColumn, kind: Kind | None) -> sql.Composable:
    """Give the text of a key production's type, where the value is assigned."""
    # No cast of a text: it would cut one that is too long, where an assignment refuses it.
    return text if column.target.collatable else _typed(text, column, kind)


def _typed(text: sql.Composable, column: ReloadColumn, kind: Kind | None) -> sql.Composed:
    if kind == "raw":
        return sql.SQL("decode({}, 'hex')").format(text)
    return sql.SQL("CAST({} AS {})").format(text, sql.SQL(column.target.type))


def _why_not(source: SourceColumn, production_type: str) -> str | None:
    """Return why the content of a column is not compared; None where it is."""
    if source.kind is None or not source.is_compared:
        return source.why_without_text
    if re.sub(r"\(.*?\)", "", production_type) not in FAMILIES[source.kind]:
        return f"{source.declared}, {production_type} in production"
    return None
