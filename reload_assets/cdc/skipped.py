"""Parses statements that CDC skipped, as DMS logs them in awsdms_apply_exceptions, for their tables and keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

Key = tuple[str, ...]


class Unknown(Enum):
    """A value that is not a literal: a function call, a placeholder, or a text that was cut off."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN
Value = str | None | Unknown
"""A column's value as text; None is NULL."""

_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<escaped> [eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string> (?:[nN])?'(?:[^']|'')*' )
    | (?P<cut> (?:[eEnN])?'.* | ".* | /\*.* )
    | (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? (?![\w$\#]) )
    | (?P<word> [^\W\d][\w$\#]* )
    | (?P<cast> :: )
    | (?P<symbol> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


class _Token(NamedTuple):
    """A token. ``text`` is a name or a string without its quotes."""

    kind: Literal["name", "word", "string", "number", "symbol", "cut"]
    text: str

    def says(self, *words: str) -> bool:
        """Return whether this is one of the keywords or symbols, and not a name or string that looks like one."""
        return self.kind in ("word", "symbol") and self.text.upper() in words


@dataclass(frozen=True)
class Statement:
    """An INSERT, UPDATE or DELETE of one row: its columns before and after, by name.

    ``table`` ends with the table's name. The statement does not name a column that is in neither mapping. ``is_whole``
    is false if the text was cut off.
    """

    verb: Literal["INSERT", "UPDATE", "DELETE"]
    table: tuple[str, ...]
    before: Mapping[str, Value] = field(default_factory=dict)
    after: Mapping[str, Value] = field(default_factory=dict)
    is_whole: bool = True

    def keys(self, columns: Sequence[str]) -> set[Key]:
        """Return the keys that the statement names, as text: two for an update that changes the key."""
        return {key for key in self._keys(columns) if key is not None}

    def removed(self, columns: Sequence[str]) -> set[Key]:
        """Return the keys that no row has after the statement is applied."""
        before, after = _key(self.before, columns), _key({**self.before, **self.after}, columns)
        if before is None or self.verb == "INSERT" or (self.verb == "UPDATE" and before == after):
            return set()
        return {before}

    def is_read(self, columns: Sequence[str]) -> bool:
        """Return whether ``keys`` returns all keys of the statement."""
        return None not in self._keys(columns)

    def _keys(self, columns: Sequence[str]) -> list[Key | None]:
        before, after = _key(self.before, columns), _key({**self.before, **self.after}, columns)
        if self.verb == "INSERT":
            return [after]
        if self.verb == "DELETE":
            return [before]
        return [before, after] if self.is_whole else [before, after, None]


def read_statement(text: str) -> Statement | None:
    """Parse a statement. Returns None if its form is not known."""
    readers = {"INSERT": _read_insert, "UPDATE": _read_update, "DELETE": _read_delete}
    try:
        first, *tokens = [*_tokens(text)] or [_Token("symbol", "")]
        reader = readers.get(first.text.upper()) if first.kind == "word" else None
        return reader(tokens) if reader else None
    except (ValueError, OverflowError, RecursionError):
        # A character that does not exist, or more parentheses than anybody writes.
        return None


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if quoted := _QUOTED.match(text, position):
            yield _Token("name", quoted[1].replace('""', '"'))
            position = quoted.end()
            continue
        match = _TOKEN.match(text, position)
        assert match is not None
        position = match.end()
        found, kind = match[0], match.lastgroup
        if kind == "space":
            continue
        if kind == "escaped":
            yield _Token("string", _ESCAPE.sub(_unescaped, found[2:-1].replace("''", "'")))
        elif kind == "string":
            yield _Token("string", found[found.index("'") + 1 : -1].replace("''", "'"))
        elif kind in ("number", "word"):
            yield _Token("number" if kind == "number" else "word", found)
        elif kind == "cut":
            yield _Token("cut", "")
        else:
            yield _Token("symbol", found)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "01234567":
        return chr(int(code, 8))
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)


def _read_insert(tokens: Sequence[_Token]) -> Statement | None:
    if not tokens or not tokens[0].says("INTO"):
        return None
    table, rest = _read_table(tokens[1:])
    inside, rest, closed = _read_parentheses(rest)
    names = [_read_name(item) for item in _split(inside, ",")]
    start = next((place for place, token in enumerate(rest) if token.says("VALUES")), None)
    if not table or not closed or start is None or None in names:
        return None
    inside, rest, closed = _read_parentheses(rest[start + 1 :])
    values = [_read_value(item) for item in _split(inside, ",")]
    if (closed and len(values) != len(names)) or len(values) > len(names) or any(token.says(",") for token in rest):
        return None
    if not closed:
        values[-1:] = []
    return Statement("INSERT", table, {}, _row(zip(names, values, strict=False)), closed)


def _read_update(tokens: Sequence[_Token]) -> Statement | None:
    table, rest = _read_table(tokens)
    start = next((place for place, token in enumerate(rest) if token.says("SET")), None)
    if not table or start is None:
        return None
    assignments, condition = _split_at_where(rest[start + 1 :])
    after: list[tuple[str | None, Value]] = []
    for item in _split(assignments, ","):
        name, value = _read_pair(item)
        if name is None:
            return None
        after.append((name, value))
    before = _read_condition(condition)
    cut = any(token.kind == "cut" for token in tokens)
    return None if before is None else Statement("UPDATE", table, before, _row(after), not cut)


def _read_delete(tokens: Sequence[_Token]) -> Statement | None:
    if not tokens or not tokens[0].says("FROM"):
        return None
    table, rest = _read_table(tokens[1:])
    before = _read_condition(_split_at_where(rest)[1])
    return None if not table or before is None else Statement("DELETE", table, before)


def _read_table(tokens: Sequence[_Token]) -> tuple[tuple[str, ...], Sequence[_Token]]:
    """Return a table's name with its schema, and the tokens that follow."""
    place = 0
    names: list[str] = []
    while place < len(tokens) and tokens[place].kind in ("name", "word"):
        names.append(tokens[place].text)
        place += 1
        if place < len(tokens) and tokens[place].says("."):
            place += 1
            continue
        break
    return tuple(names), tokens[place:]


def _read_parentheses(tokens: Sequence[_Token]) -> tuple[Sequence[_Token], Sequence[_Token], bool]:
    """Return the tokens inside the leading parentheses, those that follow, and whether the parentheses are closed."""
    if not tokens or not tokens[0].says("("):
        return [], tokens, False
    depth = 0
    for place, token in enumerate(tokens):
        depth += token.says("(") - token.says(")")
        if depth == 0:
            return tokens[1:place], tokens[place + 1 :], True
    return tokens[1:], [], False


def _split(tokens: Sequence[_Token], *words: str) -> Iterator[Sequence[_Token]]:
    """Yield the tokens between separator words that are outside parentheses."""
    depth = start = 0
    for place, token in enumerate(tokens):
        depth += token.says("(") - token.says(")")
        if depth == 0 and token.says(*words):
            yield tokens[start:place]
            start = place + 1
    if tokens:
        yield tokens[start:]


def _split_at_where(tokens: Sequence[_Token]) -> tuple[Sequence[_Token], Sequence[_Token]]:
    parts = list(_split(tokens, "WHERE"))
    return (parts[0], parts[1]) if len(parts) == 2 else (tokens, [])


def _read_condition(tokens: Sequence[_Token]) -> dict[str, Value] | None:
    """Return the columns that a condition compares, with their values.

    None if the condition does not select one row by equality; empty if there is no condition.
    """
    tokens = [token for token in tokens if not token.says(";")]
    inside, rest, closed = _read_parentheses(tokens)
    if closed and not rest:
        return _read_condition(inside)
    if len(list(_split(tokens, "OR"))) > 1:
        return None
    found: list[tuple[str | None, Value]] = []
    for item in _split(tokens, "AND"):
        inside, rest, closed = _read_parentheses(item)
        name, value = _read_pair(inside if closed and not rest else item)
        if name is not None:
            found.append((name, value))
    return _row(found)


def _read_pair(tokens: Sequence[_Token]) -> tuple[str | None, Value]:
    """Return the column and value of ``name = value`` or ``name IS NULL``. The name is None if it is neither."""
    for place, token in enumerate(tokens):
        if token.says("="):
            return _read_name(tokens[:place]), _read_value(tokens[place + 1 :])
        if token.says("IS") and [one.text.upper() for one in tokens[place + 1 :]] == ["NULL"]:
            return _read_name(tokens[:place]), None
    return None, UNKNOWN


def _read_name(tokens: Sequence[_Token]) -> str | None:
    """Return a column's name, which may follow its table's name."""
    names, rest = _read_table(tokens)
    return names[-1] if names and not rest else None


def _read_value(tokens: Sequence[_Token]) -> Value:
    """Return the value of a literal, which may have a sign, a cast or the name of its type."""
    tokens = [token for token in tokens if not token.says(";")]
    inside, rest, closed = _read_parentheses(tokens)
    if closed and not rest:
        return _read_value(inside)
    if tokens and tokens[0].says("CAST"):
        inside, rest, closed = _read_parentheses(tokens[1:])
        parts = list(_split(inside, "AS"))
        return _read_value(parts[0]) if closed and not rest and len(parts) == 2 else UNKNOWN
    casts = [place for place, token in enumerate(tokens) if token.says("::")]
    if casts:
        return _read_value(tokens[: casts[0]])
    if len(tokens) == 1:
        return _read_literal(tokens[0])
    if len(tokens) == 2 and tokens[0].says("-", "+") and tokens[1].kind == "number":
        return tokens[1].text if tokens[0].text == "+" else f"-{tokens[1].text}"
    # A literal after its type: timestamp '2025-01-01 00:00:00', timestamp without time zone '...'.
    *types, last = tokens or [_Token("symbol", "")]
    if types and last.kind == "string" and all(token.kind == "word" for token in types):
        return last.text
    return UNKNOWN


def _read_literal(token: _Token) -> Value:
    if token.kind in ("string", "number"):
        return token.text
    if token.says("NULL"):
        return None
    return token.text.lower() if token.says("TRUE", "FALSE") else UNKNOWN


def _row(pairs: Iterator[tuple[str | None, Value]] | Sequence[tuple[str | None, Value]]) -> dict[str, Value]:
    return {name: value for name, value in pairs if name is not None}


def _key(row: Mapping[str, Value], columns: Sequence[str]) -> Key | None:
    """Return the values of the key's columns; None if one of them is not known.

    The case of names does not matter, unless two columns differ in nothing else.
    """
    values = []
    for column in columns:
        alike = [name for name in row if name.lower() == column.lower()]
        name = column if column in row else alike[0] if len(alike) == 1 else None
        value = UNKNOWN if name is None else row[name]
        if not isinstance(value, str):
            return None
        values.append(value)
    return tuple(values)
