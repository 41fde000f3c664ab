"""Composes the statements on the source's tables, for either database. Values are always bound."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule, own_rule
from reload_assets.canonical.row_hash import Hashed, checksum, row_hash, segment
from reload_assets.canonical.text import canonical_text
from reload_assets.errors import closest
from reload_assets.errors.source import SourceColumnType, SourceNameUnknown
from reload_assets.source.dictionary import named
from reload_assets.source.server import lob_length

Compared = Collection[str] | Mapping[str, TextRule]
"""The columns whose content is hashed, by name; a mapping says by which rule each makes its text."""

# More digits than Oracle's numbers have.
_DIGITS = 100
# The significant digits of Oracle's numbers, and the exponents of the first one. Its driver refuses to bind others.
_ORACLE_DIGITS = 40
_ORACLE_EXPONENTS = (-130, 125)


@dataclass(frozen=True)
class SourceTable:
    """A table with its columns, against which every name in a statement is checked."""

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]

    def column(self, name: str) -> SourceColumn:
        """Return the column of exactly that name. Raises SourceUnavailable."""
        for column in self.columns:
            if column.name == name:
                return column
        meant = closest(name, (column.name for column in self.columns))
        raise SourceNameUnknown(
            f"The source's table {self.schema}.{self.name}", f"column {name!r}", meant, "fix the name"
        )

    def count(self, window_column: str, start: datetime, end: datetime) -> sa.Select[tuple[int]]:
        """Return how many rows lie in ``[start, end)``."""
        return sa.select(sa.func.count()).select_from(self._table).where(self._in_window(window_column, start, end))

    def count_without(self, column: str, most: int) -> sa.Select[tuple[int]]:
        """Return how many rows have NULL in a column, counting no further than ``most``."""
        found: sa.Select[tuple[int]] = (
            sa.select(sa.literal_column("1", sa.Integer).label("one"))
            .select_from(self._table)
            .where(self._plain(self.column(column)).is_(None))
            .limit(most)
        )
        return sa.select(sa.func.count()).select_from(found.subquery("f"))

    def newest(self, column: str) -> sa.Select[tuple[datetime]]:
        """Return the latest value of a column."""
        return sa.select(sa.func.max(self._plain(self.column(column))))

    def longest(self, columns: Sequence[str], rows: int) -> sa.Select[tuple[int, ...]]:
        """Return the number of rows, and the length of each LOB column's longest value, of at most ``rows`` rows."""
        lengths = [lob_length(self._plain(self.column(name))).label(f"l{n}") for n, name in enumerate(columns)]
        some = sa.select(*lengths).select_from(self._table).limit(rows).subquery("f")
        return sa.select(sa.func.count(), *(sa.func.max(some.c[f"l{n}"]) for n in range(len(columns))))

    def none(self) -> sa.Select[tuple[int]]:
        """Return no row of the table, which only a user who may read it is allowed."""
        return sa.select(sa.literal_column("1", sa.Integer)).select_from(self._table).where(sa.literal_column("1 = 0"))

    def rows_as_text(
        self, columns: Sequence[str], key_columns: Sequence[str], keys: Sequence[Sequence[Any]], *, alike: bool = False
    ) -> sa.Select[tuple[Any, ...]]:
        """Return the rows with one of these keys, in any order: canonical text if a column has one, else its value.

        ``alike``: compare keys as canonical text only (see ``may_be_alike``).
        """
        return sa.select(*(self._text_or_value(self.column(name), n) for n, name in enumerate(columns))).where(
            self._has_key(key_columns, keys, alike)
        )

    def segments(
        self, columns: Compared, window_column: str, start: datetime, end: datetime, characters: int
    ) -> sa.Select[tuple[str, int, str]]:
        """Return the window's segments: the first ``characters`` of the window column, rows, sum of checksums."""
        rows = (
            sa.select(
                segment(self._as_text(window_column), characters).label("segment"),
                checksum(self._hash(columns)).label("checksum"),
            )
            .where(self._in_window(window_column, start, end))
            .subquery("w")
        )
        # As text, so that no driver turns it into a float.
        total = sa.cast(sa.func.sum(rows.c.checksum), sa.String(40))
        return sa.select(rows.c.segment, sa.func.count(), total).group_by(rows.c.segment)

    def contents(
        self,
        key_columns: Sequence[str],
        version_column: str,
        columns: Compared,
        window_column: str,
        start: datetime,
        end: datetime,
    ) -> sa.Select[tuple[str | None, ...]]:
        """Return key and version of the window's rows as canonical text, and the hash of ``columns``, in any order."""
        return self._contents(key_columns, version_column, columns).where(self._in_window(window_column, start, end))

    def contents_by_key(
        self,
        key_columns: Sequence[str],
        version_column: str,
        columns: Compared,
        keys: Sequence[Sequence[Any]],
        *,
        alike: bool = False,
    ) -> sa.Select[tuple[str | None, ...]]:
        """Return the same as ``contents`` for the rows with one of these keys."""
        return self._contents(key_columns, version_column, columns).where(self._has_key(key_columns, keys, alike))

    def rows_in_window(
        self, columns: Sequence[str], window_column: str, start: datetime, end: datetime
    ) -> sa.Select[tuple[Any, ...]]:
        """Return the window's rows in any order, each column as in ``rows_as_text``."""
        return sa.select(*(self._text_or_value(self.column(name), n) for n, name in enumerate(columns))).where(
            self._in_window(window_column, start, end)
        )

    def key_texts(self, key_columns: Sequence[str]) -> list[sa.ColumnElement[str]]:
        """Return the key columns as canonical text, labelled ``key0``, ``key1`` ..."""
        return [self._as_text(name).label(f"key{n}") for n, name in enumerate(key_columns)]

    def bindable(self, key_columns: Sequence[str], key: Sequence[Any]) -> bool:
        """Return whether the driver can bind the key's values: Python has no time before Christ."""
        pairs = zip(key_columns, key, strict=True)
        return not any(_is_before_christ(self.column(name), value) for name, value in pairs)

    def possible(self, key_columns: Sequence[str], key: Sequence[Any]) -> bool:
        """Return whether Oracle's types can hold the key's values at all."""
        return all(_is_possible(self.column(name), value) for name, value in zip(key_columns, key, strict=True))

    def may_be_alike(self, key_columns: Sequence[str], key: Sequence[Any]) -> bool:
        """Return whether a row whose key has other values may have the same canonical text.

        DMS rounds a NUMBER without precision, turns NUL characters into blanks, and trims the blanks of a CHAR.
        """
        return any(_may_be_alike(self.column(name), value) for name, value in zip(key_columns, key, strict=True))

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
            raise SourceColumnType(
                f"{self.schema}.{self.name}.{column.name}",
                column.declared,
                f"cannot be {use}",
                "name a column of type NUMBER, VARCHAR2, CHAR, RAW, DATE or TIMESTAMP",
            )
        return sa.type_coerce(self._plain(column), column.bind_type)

    def _contents(
        self, key_columns: Sequence[str], version_column: str, columns: Compared
    ) -> sa.Select[tuple[str | None, ...]]:
        texts = (self._as_text(name).label(f"v{n}") for n, name in enumerate((*key_columns, version_column)))
        return sa.select(*texts, self._hash(columns).label("content"))

    def _hash(self, compared: Compared) -> sa.ColumnElement[str]:
        rules = compared if isinstance(compared, Mapping) else {}
        hashed = []
        for column in (self.column(name) for name in compared):
            rule = rules.get(column.name)
            # A rule may be for a type that has no text of its own.
            value = self._plain(column) if rule and column.kind is None else self._typed(column, "compared by its text")
            rule = rule or _own_rule(column)
            # What production's type asks for is not for a source that is PostgreSQL, too.
            hashed.append(Hashed(value, column, replace(rule, production=None)))
        return row_hash(hashed)

    def _as_text(self, name: str) -> sa.ColumnElement[str]:
        column = self.column(name)
        value = self._typed(column, "a key or a version")
        return canonical_text(value, _own_rule(column))

    def _text_or_value(self, column: SourceColumn, number: int) -> sa.ColumnElement[Any]:
        if column.kind is None:
            return self._plain(column).label(f"v{number}")
        return self._as_text(column.name).label(f"v{number}")

    def _in_window(self, name: str, start: datetime, end: datetime) -> sa.ColumnElement[bool]:
        column = self.column(name)
        if column.kind not in ("date", "timestamp"):
            raise SourceColumnType(
                f"{self.schema}.{self.name}.{name}",
                column.declared,
                "cannot cut a window",
                "name a column of type DATE or TIMESTAMP (without time zone)",
            )
        for bound in (start, end):
            if bound.tzinfo is not None:
                raise ValueError(f"{bound.isoformat()} has a zone; the source's columns hold wall-clock times.")
        if column.kind == "date":
            # A DATE has whole seconds only: the next whole second selects the same rows, and binds as Oracle's DATE.
            start, end = _next_second(start), _next_second(end)
        value = self._typed(column, "a window column")
        return sa.and_(
            value >= sa.bindparam("window_start", start, type_=column.bind_type),
            value < sa.bindparam("window_end", end, type_=column.bind_type),
        )

    def _has_key(self, names: Sequence[str], keys: Sequence[Sequence[Any]], alike: bool) -> sa.ColumnElement[bool]:
        columns = [self.column(name) for name in names]
        if alike:
            return sa.or_(
                *(
                    sa.and_(*(self._is_alike(column, value) for column, value in zip(columns, key, strict=True)))
                    for key in keys
                )
            )
        typed = [self._typed(column, "a key") for column in columns]
        bound = [[column.bind_value(value) for column, value in zip(columns, key, strict=True)] for key in keys]
        if len(columns) == 1:
            return typed[0].in_([key[0] for key in bound])
        return sa.tuple_(*typed).in_([tuple(key) for key in bound])

    def _is_alike(self, column: SourceColumn, value: Any) -> sa.ColumnElement[bool]:
        """Compare the column's canonical text with ``value``, after a condition that an index can serve."""
        typed = self._typed(column, "a key")
        if not _may_be_alike(column, value):
            return typed == sa.literal(column.bind_value(value), column.bind_type)
        same = canonical_text(typed, _own_rule(column)) == sa.literal(str(value), sa.String())
        if column.kind == "bare":
            number, exact = column.bind_value(value), Context(prec=_DIGITS)
            # Half of the last decimal that DMS keeps: numbers this close round to the same.
            half = Decimal(5).scaleb(-column.delivery.number_scale - 1)
            lowest = sa.literal(exact.subtract(number, half), column.bind_type)
            return sa.and_(typed.between(lowest, sa.literal(exact.add(number, half), column.bind_type)), same)
        if column.kind in ("date", "timestamp"):
            return sa.and_(typed < sa.literal(datetime.min, column.bind_type), same)
        beginning = value.partition(" ")[0]
        if not beginning:
            return same
        for character in ("!", "%", "_"):
            beginning = beginning.replace(character, f"!{character}")
        pattern = sa.literal(f"{beginning}%", sa.String() if column.kind == "padded" else column.bind_type)
        return sa.and_(typed.like(pattern, escape="!"), same)


def _own_rule(column: SourceColumn) -> TextRule:
    rule = own_rule(column)
    assert rule is not None, "only for columns that can be typed"
    return rule


def _may_be_alike(column: SourceColumn, value: Any) -> bool:
    if column.kind == "text":
        return isinstance(value, str) and " " in value
    if column.kind == "padded":
        return isinstance(value, str)
    return column.kind == "bare" or _is_before_christ(column, value)


def _is_before_christ(column: SourceColumn, value: Any) -> bool:
    return column.kind in ("date", "timestamp") and isinstance(value, str) and value.endswith(" BC")


def _is_possible(column: SourceColumn, value: Any) -> bool:
    if not isinstance(value, str) or column.kind in ("text", "padded", "raw"):
        return True
    if column.kind in ("date", "timestamp"):
        # Excludes infinite times and years of five digits, which Oracle cannot hold.
        return re.match(r"\d{4}-", value) is not None
    try:
        number = Decimal(value)
    except InvalidOperation:
        # To be named as no number.
        return True
    if number.is_zero() or not number.is_finite():
        return number.is_zero()
    digits = len("".join(map(str, number.as_tuple().digits)).strip("0"))
    return digits <= _ORACLE_DIGITS and _ORACLE_EXPONENTS[0] <= number.adjusted() <= _ORACLE_EXPONENTS[1]


def _next_second(bound: datetime) -> datetime:
    whole = bound.replace(microsecond=0)
    return whole if whole == bound else whole + timedelta(seconds=1)
