"""Reads the statements in ``sql/`` and composes them. The same files run in psql.

A file is one step. It has its statements in sections, in the order in which they run. ``-- name: judge_rows`` opens a
section, which is named ``merge/2_judge:judge_rows`` here. A statement names its parts as psql does: ``:"table"`` is an
identifier, ``:'window_start'`` a value, which is bound and never pasted in, and ``:columns`` a piece that the program
composes (a list of identifiers, a condition). ``sql/example.psql`` sets all of them, to run a file by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from psycopg import Connection, Cursor, sql
from psycopg.adapt import PyFormat, Transformer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Part = str | sql.Composable
Parts: TypeAlias = Union[Mapping[str, Part], "DataclassInstance"]
"""Names and pieces by name. A dataclass stands for its fields."""

_SECTION = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
# Comments, strings, dollar-quoted bodies, casts and array slices are skipped, as psql does.
_TOKEN = re.compile(
    r"""
      (?P<skip> --[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | :: )
    | :"(?P<identifier>\w+)" | :'(?P<value>\w+)' | :(?P<piece>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def text(name: str) -> str:
    """Return the text of a statement, ``folder/file:section``, or of a file without sections, ``folder/file``.

    Raises KeyError for a section that the file does not have.
    """
    file, _, section = name.partition(":")
    return sections(file)[section]


@cache
def sections(file: str) -> dict[str, str]:
    """Return the statements of ``sql/<file>.sql`` by section, in their order. A file without sections has one, ``""``.

    Raises ValueError if two sections have the same name.
    """
    head, *rest = _SECTION.split((files("reload_assets.sql") / f"{file}.sql").read_text(encoding="utf-8"))
    if not rest:
        return {"": head}
    names = rest[::2]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"sql/{file}.sql has the section {twice[0]} twice; give one of them another name")
    return dict(zip(names, rest[1::2], strict=True))


def file_names(folder: str) -> list[str]:
    """Return the files of one folder of ``sql/``, in the order of their names."""
    entries = (files("reload_assets.sql") / folder).iterdir()
    return sorted(f"{folder}/{entry.name.removesuffix('.sql')}" for entry in entries if entry.name.endswith(".sql"))


def compose(name: str, *parts: Parts) -> sql.SQL:
    """Return a statement with its identifiers and pieces filled in and its values as placeholders.

    Raises KeyError for a part that the statement names and the caller does not give, and ValueError for one that is
    given twice, with different values.
    """
    return compose_text(text(name), f"sql/{name}", *parts)


def compose_text(source: str, title: str, *parts: Parts) -> sql.SQL:
    """Compose a statement that is not in ``sql/``. ``title`` names it in errors. Raises what ``compose`` does."""
    return sql.SQL(_fill(source, title, join(*parts), as_placeholders=binds_values(source)))


def run(connection: Connection[Any], name: str, /, *parts: Parts, **values: Any) -> Cursor[Any]:
    """Execute a statement on the connection, within the caller's transaction."""
    # A statement that binds no values is given none, or psycopg would look for placeholders in its identifiers.
    return connection.execute(compose(name, *parts), values if binds_values(text(name)) else None)


def join(*parts: Parts) -> dict[str, Part]:
    """Join parts into one mapping. Raises ValueError for a name with two different values."""
    joined: dict[str, Part] = {}
    for one in parts:
        named = one if isinstance(one, Mapping) else {item.name: getattr(one, item.name) for item in fields(one)}
        for name, value in named.items():
            if joined.setdefault(name, value) != value:
                raise ValueError(f"the part {name} is given twice, with different values")
    return joined


def binds_values(source: str) -> bool:
    """Return whether a statement has values to bind."""
    return any(match["value"] for match in _TOKEN.finditer(source))


@dataclass(frozen=True)
class Step:
    """A statement of a script, with its parts and with the values that only this statement has."""

    name: str
    parts: Sequence[Parts]
    values: Mapping[str, Any] = field(default_factory=dict)


def steps(names: Iterable[str], *parts: Parts) -> list[Step]:
    """Return the statements of some files, all composed of the same parts, in their order."""
    return [Step(f"{file}:{section}" if section else file, parts) for file in names for section in sections(file)]


def script(head: str, statements: Iterable[Step | str], values: Mapping[str, Any]) -> str:
    """Return statements as one script for psql, which rolls back what it does.

    Identifiers and pieces are filled in; ``values`` become variables of psql, set at the beginning. A text
    among the statements is kept as it is: a comment, or a command that is not in ``sql/``. Raises what ``compose``
    does, and ValueError for a value that is None.
    """
    lines = [_comment(head), r"\set ON_ERROR_STOP on", *_variables(values), "", "BEGIN;"]
    for one in statements:
        lines.append("")
        if isinstance(one, str):
            lines.append(one)
        else:
            lines.append(_text_of(one))
    return "\n".join([*lines, "", "ROLLBACK;", ""])


def commented_out(step: Step) -> str:
    """Return a statement of a script as a comment."""
    return _comment(_text_of(step))


def _text_of(step: Step) -> str:
    composed = _fill(text(step.name), f"sql/{step.name}", join(*step.parts), as_placeholders=False)
    return "\n".join([f"-- {step.name}", *_variables(step.values), composed.strip()])


def _comment(lines: str) -> str:
    return "\n".join(f"-- {line}".rstrip() for line in lines.splitlines())


def _variables(values: Mapping[str, Any]) -> list[str]:
    return [f"\\set {name} {_quoted(value)}" for name, value in values.items()]


def _quoted(value: Any) -> str:
    """Write a value as psql reads it in a ``\\set`` line."""
    if value is None:
        raise ValueError("a variable of psql cannot be NULL")
    dumped = Transformer().get_dumper(value, PyFormat.TEXT).dump(value)
    escaped = bytes(dumped or b"").decode().replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _fill(source: str, title: str, given: Mapping[str, Part], *, as_placeholders: bool) -> str:
    """Fill in identifiers and pieces. Values become placeholders, or stay as psql writes them."""
    out: list[str] = []
    position = 0

    def plain(piece: str) -> None:
        # If values are bound, psycopg reads a percent sign as the start of a placeholder.
        out.append(piece.replace("%", "%%") if as_placeholders else piece)

    for match in _TOKEN.finditer(source):
        plain(source[position : match.start()])
        position = match.end()
        if match["identifier"]:
            plain(sql.Identifier(_identifier(title, match["identifier"], given)).as_string())
        elif match["piece"]:
            plain(_piece(title, match["piece"], given).as_string())
        elif match["value"] and as_placeholders:
            out.append(f"%({match['value']})s")
        else:
            plain(match[0])
    plain(source[position:])
    return "".join(out)


def _identifier(statement: str, part: str, given: Mapping[str, Part]) -> str:
    value = given[part]
    if not isinstance(value, str):
        raise TypeError(f"{statement} wants {part} as a name")
    return value


def _piece(statement: str, part: str, given: Mapping[str, Part]) -> sql.Composable:
    value = given[part]
    if not isinstance(value, sql.Composable):
        raise TypeError(f"{statement} wants {part} as a composed piece of SQL")
    return value
