"""Hashes a row's content to one MD5, and many rows' to one sum, by SQL that is equivalent on Oracle and PostgreSQL.

The canonical texts of the columns are joined. NULL is written as an empty text, which no value has. Oracle cannot join
more than 4,000 bytes, so the columns are divided into pieces by their declared sizes. Then the hashes of the pieces are
joined and hashed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule
from reload_assets.canonical.text import canonical_text

_PIECE_BYTES = 4_000
_NUMBER_BYTES = 66
_TIME_BYTES = 30
# The most bytes of one character in UTF-8.
_CHARACTER_BYTES = 4
# Of a national text: so many, of any kind, are no more bytes than Oracle converts.
_PART_CHARACTERS = _PIECE_BYTES // _CHARACTER_BYTES
# 15 hexadecimal digits are 60 bits: the most that stay positive in a bigint, which PostgreSQL sums fast.
_CHECKSUM_DIGITS = 15
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True)
class Hashed:
    """A column of a row, of the source or of production, with the source's description and the rule of its text.

    ``part``: the first character of a part of it, and whether another part follows; None for all of it.
    """

    value: sa.ColumnElement[Any]
    source: SourceColumn
    rule: TextRule
    part: tuple[int, bool] | None = None

    @property
    def is_text(self) -> bool:
        """Whether values may contain any character, including the separator."""
        return self.source.kind in ("text", "padded", "blanks")

    @property
    def parts(self) -> list[Hashed]:
        """The column, or its parts where Oracle could not convert a national text as a whole."""
        length = (self.source.length or 0) if self.source.type.is_national else 0
        if length <= _PART_CHARACTERS:
            return [self]
        starts = range(1, length + 1, _PART_CHARACTERS)
        return [replace(self, part=(start, start != starts[-1])) for start in starts]

    @property
    def size(self) -> int:
        """The most bytes that the canonical text can have."""
        if self.source.kind == "raw":
            return 2 * (self.source.length or 0)
        if self.is_text:
            return min(_CHARACTER_BYTES * (self.source.length or 0), _PIECE_BYTES)
        return _TIME_BYTES if self.source.kind in ("date", "timestamp") else _NUMBER_BYTES


def row_hash(columns: Sequence[Hashed], *, to_utf8: bool = False) -> sa.ColumnElement[str]:
    """Return the MD5 of these columns of a row, as 32 lower-case digits.

    With ``to_utf8`` PostgreSQL converts text to UTF-8 first, as a server with another encoding must.
    """
    parts = [part for column in columns for part in column.parts]
    hashes = [_piece_hash(piece, to_utf8) for piece in _pieces(parts)]
    return hashes[0] if len(hashes) == 1 else _text_hash(_joined(*hashes), to_utf8)


def checksum(hashed: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """Return the part of a row's hash that is summed over rows: a number below 2^60.

    The sum depends on how often a row occurs, but not on the order of rows.
    """
    return _checksum(hashed)


def segment(window_text: sa.ColumnElement[str], characters: int) -> sa.ColumnElement[str]:
    """Return the first characters of the window column's canonical text. 16 of them give the minute."""
    return sa.func.substr(window_text, sa.literal_column("1"), sa.literal_column(str(characters)))


def _pieces(columns: Sequence[Hashed]) -> Iterator[list[Hashed]]:
    """Yield the columns in pieces. Texts come last, the longest at the end.

    The last column of a piece needs no escapes, as everything after its separator belongs to it. So a column that fills
    a piece stands alone, without escapes.
    """
    piece: list[Hashed] = []
    size = 0
    for column in sorted(columns, key=lambda column: (column.is_text, column.size if column.is_text else 0)):
        if piece and size + column.size > _PIECE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(column)
        # If another column follows, this one needs a separator, and possibly an escape for every character.
        size += column.size * (2 if column.is_text else 1) + 1
    yield piece


def _piece_hash(piece: Sequence[Hashed], to_utf8: bool) -> sa.ColumnElement[str]:
    if len(piece) == 1:
        return _text_hash(_text(piece[0]), to_utf8)
    *first, last = piece
    return _text_hash(_joined(*(_escaped(_text(c)) if c.is_text else _text(c) for c in first), _text(last)), to_utf8)


def _text(column: Hashed) -> sa.ColumnElement[str]:
    value = column.value
    if column.part is not None:
        value = _characters(value, *column.part)
    if column.source.type.is_national:
        value = _database_text(value)
    return canonical_text(value, column.rule)


class _characters(FunctionElement[str]):
    """A part of a text: from one of its characters on, to the next part or to the end."""

    type = sa.String()
    # Two of these differ by more than their arguments.
    inherit_cache = False

    def __init__(self, text: sa.ColumnElement[str], start: int, is_followed: bool) -> None:
        super().__init__(text)
        self.bounds = f"{start}, {_PART_CHARACTERS}" if is_followed else str(start)


@compiles(_characters, "oracle")
def _oracle_characters(element: _characters, compiler: SQLCompiler, **options: Any) -> str:
    # SUBSTR would count the halves of a character that UTF-16 writes in two.
    return f"SUBSTR4({compiler.process(element.clauses, **options)}, {element.bounds})"


@compiles(_characters, "postgresql")
def _postgresql_characters(element: _characters, compiler: SQLCompiler, **options: Any) -> str:
    return f"SUBSTR(CAST({compiler.process(element.clauses, **options)} AS TEXT), {element.bounds})"


class _database_text(FunctionElement[str]):
    """A national text converted to the database's character set, since Oracle would hash its bytes in UTF-16."""

    type = sa.String()
    inherit_cache = True


@compiles(_database_text, "oracle")
def _oracle_database_text(element: _database_text, compiler: SQLCompiler, **options: Any) -> str:
    return f"TO_CHAR({compiler.process(element.clauses, **options)})"


@compiles(_database_text, "postgresql")
def _postgresql_database_text(element: _database_text, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


class _escaped(FunctionElement[str]):
    """A text in which every separator is escaped."""

    type = sa.String()
    inherit_cache = True


@compiles(_escaped)
def _sql_escaped(element: _escaped, compiler: SQLCompiler, **options: Any) -> str:
    return f"REPLACE(REPLACE({compiler.process(element.clauses, **options)}, '~', '~~'), '|', '~|')"


class _joined(FunctionElement[str]):
    """Texts joined with separators. NULL becomes an empty text."""

    type = sa.String()
    inherit_cache = True


@compiles(_joined, "oracle")
def _oracle_joined(element: _joined, compiler: SQLCompiler, **options: Any) -> str:
    return " || '|' || ".join(compiler.process(text, **options) for text in element.clauses)


@compiles(_joined, "postgresql")
def _postgresql_joined(element: _joined, compiler: SQLCompiler, **options: Any) -> str:
    texts = (compiler.process(text, **options) for text in element.clauses)
    return " || '|' || ".join(f"COALESCE(CAST({text} AS TEXT), '')" for text in texts)


class _text_hash(FunctionElement[str]):
    """The MD5 of a text in UTF-8. NULL is hashed as the empty text."""

    type = sa.String()
    # Elements may differ by more than their arguments, so SQLAlchemy must not reuse one's SQL for another.
    inherit_cache = False

    def __init__(self, text: sa.ColumnElement[str], to_utf8: bool) -> None:
        super().__init__(text)
        self.to_utf8 = to_utf8
        self.may_be_null = not isinstance(text, _joined)


@compiles(_text_hash, "oracle")
def _oracle_text_hash(element: _text_hash, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    # CONVERT does nothing where the database's own character set is UTF-8.
    hashed = f"LOWER(RAWTOHEX(STANDARD_HASH(CONVERT({text}, 'AL32UTF8'), 'MD5')))"
    return f"CASE WHEN {text} IS NULL THEN '{_EMPTY_MD5}' ELSE {hashed} END" if element.may_be_null else hashed


@compiles(_text_hash, "postgresql")
def _postgresql_text_hash(element: _text_hash, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    if element.may_be_null:
        text = f"COALESCE(CAST({text} AS TEXT), '')"
    return f"MD5(CONVERT_TO({text}, 'UTF8'))" if element.to_utf8 else f"MD5({text})"


class _checksum(FunctionElement[int]):
    type = sa.BigInteger()
    inherit_cache = True


@compiles(_checksum, "oracle")
def _oracle_checksum(element: _checksum, compiler: SQLCompiler, **options: Any) -> str:
    digits = f"SUBSTR({compiler.process(element.clauses, **options)}, 1, {_CHECKSUM_DIGITS})"
    return f"TO_NUMBER({digits}, '{'X' * _CHECKSUM_DIGITS}')"


@compiles(_checksum, "postgresql")
def _postgresql_checksum(element: _checksum, compiler: SQLCompiler, **options: Any) -> str:
    digits = f"SUBSTR({compiler.process(element.clauses, **options)}, 1, {_CHECKSUM_DIGITS})"
    return f"CAST(CAST('x' || {digits} AS BIT({4 * _CHECKSUM_DIGITS})) AS BIGINT)"
