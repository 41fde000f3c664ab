"""Names of tables as ``reload.yaml`` writes them: ``orders``, ``billing.invoices``, quoted ``billing."a.b"``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_PART = r'(?:"(?:[^"]|"")+"|[^".][^.]*)'
_NAME = re.compile(rf"(?:({_PART})\.)?({_PART})", re.DOTALL)


class TableName(NamedTuple):
    """A table with its schema, spelled as the database's catalog has them."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def readable(written: str | None) -> str | None:
    """Return what is written, or None. Raises ValueError if it is neither a name nor a schema and a name."""
    if written is not None and _NAME.fullmatch(written) is None:
        raise ValueError(
            f"{written!r} is not the name of a table; write NAME or SCHEMA.NAME, and a name that holds a dot in double "
            'quotes: "A.B"'
        )
    return written


def located(written: str, schema: str, *, upper: bool = False) -> TableName:
    """Return the table that is meant, in ``schema`` where none is written; ``upper``: in upper case."""
    found = _NAME.fullmatch(written)
    assert found is not None, "the configuration has been read"
    own, name = (_plain(part).upper() if upper else _plain(part) for part in (found[1] or "", found[2]))
    return TableName(own or schema, name)


def spelled(name: str) -> str:
    """Return a name as it is written for ``located`` to read: in double quotes if it has a dot or begins with one."""
    return '"' + name.replace('"', '""') + '"' if "." in name or name.startswith('"') else name


def require_own_targets(targets: Iterable[tuple[str, TableName]]) -> None:
    """Raise ValueError if two entries, named by their places, have the same production table.

    An entry treats each row of its production table that it did not load as an orphan, so none can be shared.
    """
    seen: dict[TableName, str] = {}
    for place, table in targets:
        if (other := seen.setdefault(table, place)) != place:
            raise ValueError(
                f"{place}.target: the production table {table} is also that of {other}, and each entry would treat the "
                "other's rows as wrong; give each source table its own production table, and unite them in a view"
            )


def require_own_sources(sources: Iterable[tuple[str, str, TableName]]) -> None:
    """Raise ValueError if two entries of a group, named by their places and the group, have the same source table."""
    seen: dict[tuple[str, TableName], str] = {}
    for place, group, table in sources:
        if (other := seen.setdefault((group, table), place)) != place:
            raise ValueError(
                f"{place}.source: the source table {table} is also that of {other}, and a DMS task loads a table "
                "once; put one of the two into another group"
            )


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
