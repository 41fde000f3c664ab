"""The rules of a table mapping, and what they do to names and rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import sql

_OPERATORS = {
    "eq": "{column} = {value}",
    "noteq": "{column} <> {value}",
    "gte": "{column} >= {value}",
    "lte": "{column} <= {value}",
    "ste": "{column} <= {value}",
    "between": "{column} BETWEEN {start} AND {end}",
    "notbetween": "{column} NOT BETWEEN {start} AND {end}",
    "null": "{column} IS NULL",
    "notnull": "{column} IS NOT NULL",
}


def name_matches(pattern: str, name: str) -> bool:
    """Return whether a name fits a locator's pattern: ``%`` any text, ``_`` one character, ``[_]``, ``[ab]``,
    ``[a-d]``.
    """
    return _regex(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = []
    for token in re.findall(r"\[[^\]]+\]|.", pattern, re.DOTALL):
        if token == "%":
            parts.append(".*")
        elif token == "_":
            parts.append(".")
        elif len(token) > 1:
            parts.append("[" + re.sub(r"([\\^\[&~|])", r"\\\1", token[1:-1]) + "]")
        else:
            parts.append(re.escape(token))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        # A set such as [z-a], which no character is in.
        return re.compile(r"(?!)")


@dataclass(frozen=True)
class Locator:
    """Which source objects a rule is for; an absent name matches every object."""

    schema: str
    table: str = "%"
    column: str = "%"
    table_type: str = "table"
    data_type: str = ""

    def matches(self, schema: str, table: str | None = None, column: str | None = None) -> bool:
        return (
            name_matches(self.schema, schema)
            and (table is None or name_matches(self.table, table))
            and (column is None or name_matches(self.column, column))
        )


@dataclass(frozen=True)
class Filter:
    """One source filter: the conditions inside it are OR-ed (and the filters of a rule are AND-ed)."""

    column: str
    conditions: tuple[dict[str, Any], ...]

    def condition(self) -> sql.Composed:
        parts = [
            sql.SQL(_OPERATORS[one["filter-operator"]]).format(
                column=sql.Identifier(self.column),
                value=sql.Literal(one.get("value")),
                start=sql.Literal(one.get("start-value")),
                end=sql.Literal(one.get("end-value")),
            )
            for one in self.conditions
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(parts))


@dataclass(frozen=True)
class SelectionRule:
    id: int
    action: str
    locator: Locator
    filters: tuple[Filter, ...]
    load_order: int


@dataclass(frozen=True)
class TransformationRule:
    id: int
    action: str
    target: str
    locator: Locator
    value: str
    old_value: str
    expression: str
    data_type: dict[str, Any]

    def renamed(self, name: str) -> str:
        """Return the object's new name; the name itself where the action does not rename."""
        if self.action == "rename":
            # An expression of SQLite, which may stand for the value, is not evaluated here.
            return self.value or name
        if self.action == "convert-lowercase":
            return name.lower()
        if self.action == "convert-uppercase":
            return name.upper()
        verb, _, part = self.action.partition("-")
        if part not in ("prefix", "suffix"):
            return name
        changes = {"add": ("", self.value), "remove": (self.value, ""), "replace": (self.old_value, self.value)}
        old, new = changes[verb]
        if part == "prefix":
            return new + name.removeprefix(old) if name.startswith(old) else name
        return name.removesuffix(old) + new if name.endswith(old) else name


@dataclass(frozen=True)
class TableSettingsRule:
    """LOB settings of a table, over those of the task, and its parallel load, which changes nothing here.

    ``lob_mode`` is limited or unlimited, with the size in KB; None leaves the task's own settings.
    """

    id: int
    locator: Locator
    lob_mode: str | None
    lob_size: int


@dataclass(frozen=True)
class IdleRule:
    """A rule that the service takes and that changes nothing in what this stand-in loads."""

    id: int


Rule = SelectionRule | TransformationRule | TableSettingsRule | IdleRule
