"""The statements against the source's tables, composed for either database; values are always bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from reload_assets.errors import SourceUnavailable
from reload_assets.source.canonical import canonical_text
from reload_assets.source.columns import SourceColumn
from reload_assets.source.content import Hashed, checksum, row_hash, segment
from reload_assets.source.dictionary import named
from reload_assets.source.failures import did_you_mean


@dataclass(frozen=True)
class SourceTable:
    """A table with its columns; every name that is asked for is checked against them."""

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]

    def column(self, name: str) -> SourceColumn:
        """The column of exactly that name. Raises SourceUnavailable."""
        for column in self.columns:
            if column.name == name:
                return column
        hint = did_you_mean(name, (column.name for column in self.columns))
        raise SourceUnavailable(f"The source's table {self.schema}.{self.name} has no column {name!r}{hint}.")

    def count(self, window_column: str, start: datetime, end: datetime) -> sa.Select[tuple[int]]:
        """How many rows lie in ``[start, end)``."""
        return sa.select(sa.func.count()).select_from(self._table).where(self._in_window(window_column, start, end))

    def rows_by_key(
        self, columns: Sequence[str], key_columns: Sequence[str], keys: Sequence[Sequence[Any]]
    ) -> sa.Select[tuple[Any, ...]]:
        """The rows with one of these keys, in no order."""
        return sa.select(*(self._plain(self.column(name)) for name in columns)).where(self._has_key(key_columns, keys))

    def rows_as_text(
        self, columns: Sequence[str], key_columns: Sequence[str], keys: Sequence[Sequence[Any]]
    ) -> sa.Select[tuple[Any, ...]]:
        """The rows with one of these keys, in no order; canonical text where a column has one, else its value."""
        return sa.select(*(self._text_or_value(self.column(name), n) for n, name in enumerate(columns))).where(
            self._has_key(key_columns, keys)
        )

    def segments(
        self, columns: Sequence[str], window_column: str, start: datetime, end: datetime, characters: int
    ) -> sa.Select[tuple[str, int, str]]:
        """The window's rows by the first ``characters`` of the window column: those, rows, sum of checksums as text."""
        rows = (
            sa.select(
                segment(self._as_text(window_column), characters).label("segment"),
                checksum(self._hash(columns)).label("checksum"),
            )
            .where(self._in_window(window_column, start, end))
            .subquery("w")
        )
        # As text: no driver is to make a float of it.
        total = sa.cast(sa.func.sum(rows.c.checksum), sa.String(40))
        return sa.select(rows.c.segment, sa.func.count(), total).group_by(rows.c.segment)

    def contents(
        self,
        key_columns: Sequence[str],
        version_column: str,
        columns: Sequence[str],
        window_column: str,
        start: datetime,
        end: datetime,
    ) -> sa.Select[tuple[str | None, ...]]:
        """Key columns and version of the window's rows as canonical text, then the hash of ``columns``; in no order."""
        return self._contents(key_columns, version_column, columns).where(self._in_window(window_column, start, end))

    def contents_by_key(
        self,
        key_columns: Sequence[str],
        version_column: str,
        columns: Sequence[str],
        keys: Sequence[Sequence[Any]],
    ) -> sa.Select[tuple[str | None, ...]]:
        """As ``contents``, of the rows with one of these keys."""
        return self._contents(key_columns, version_column, columns).where(self._has_key(key_columns, keys))

    @cached_property
    def _table(self) -> sa.TableClause:
        return sa.table(
            named(self.name),
            *(sa.column(named(column.name)) for column in self.columns),
            schema=named(self.schema),
        )

    def _plain(self, column: SourceColumn) -> sa.ColumnElement[Any]:
        return self._table.c[column.name]

    def _typed(self, column: SourceColumn, use: str) -> sa.ColumnElement[Any]:
        if column.kind is None:
            raise SourceUnavailable(
                f"The source's column {self.schema}.{self.name}.{column.name} is {column.declared}, which cannot be "
                f"{use}; name a column of type NUMBER, VARCHAR2, CHAR, RAW, DATE or TIMESTAMP."
            )
        return sa.type_coerce(self._plain(column), column.bind_type)

    def _contents(
        self, key_columns: Sequence[str], version_column: str, columns: Sequence[str]
    ) -> sa.Select[tuple[str | None, ...]]:
        texts = (self._as_text(name).label(f"v{n}") for n, name in enumerate((*key_columns, version_column)))
        return sa.select(*texts, self._hash(columns).label("content"))

    def _hash(self, names: Sequence[str]) -> sa.ColumnElement[str]:
        columns = [self.column(name) for name in names]
        return row_hash([Hashed(self._typed(column, "compared by its text"), column) for column in columns])

    def _as_text(self, name: str) -> sa.ColumnElement[str]:
        column = self.column(name)
        value = self._typed(column, "a key or a version")
        assert column.kind is not None
        return canonical_text(value, column.kind, column.delivery.number_scale)

    def _text_or_value(self, column: SourceColumn, number: int) -> sa.ColumnElement[Any]:
        if column.kind is None:
            return self._plain(column).label(f"v{number}")
        return self._as_text(column.name).label(f"v{number}")

    def _in_window(self, name: str, start: datetime, end: datetime) -> sa.ColumnElement[bool]:
        column = self.column(name)
        if column.kind not in ("date", "timestamp"):
            raise SourceUnavailable(
                f"The source's column {self.schema}.{self.name}.{name} is {column.declared}, which cannot cut a "
                "window; name a column of type DATE or TIMESTAMP (without time zone)."
            )
        for bound in (start, end):
            if bound.tzinfo is not None:
                raise ValueError(f"{bound.isoformat()} has a zone; the source's columns hold wall-clock times.")
        if column.kind == "date":
            # A DATE has whole seconds only: the next one gives the same rows, and a bind of Oracle's own DATE type.
            start, end = _next_second(start), _next_second(end)
        value = self._typed(column, "a window column")
        return sa.and_(
            value >= sa.bindparam("window_start", start, type_=column.bind_type),
            value < sa.bindparam("window_end", end, type_=column.bind_type),
        )

    def _has_key(self, names: Sequence[str], keys: Sequence[Sequence[Any]]) -> sa.ColumnElement[bool]:
        columns = [self.column(name) for name in names]
        typed = [self._typed(column, "a key") for column in columns]
        bound = [[column.bind_value(value) for column, value in zip(columns, key, strict=True)] for key in keys]
        if len(columns) == 1:
            return typed[0].in_([key[0] for key in bound])
        return sa.tuple_(*typed).in_([tuple(key) for key in bound])


def _next_second(bound: datetime) -> datetime:
    whole = bound.replace(microsecond=0)
    return whole if whole == bound else whole + timedelta(seconds=1)
