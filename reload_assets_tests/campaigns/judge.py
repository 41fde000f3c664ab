"""Judges a run by the rows of both sides at its end and by what was recorded during it.

Nothing here needs a database, so the tests of the judge can give it faults of every kind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reload_assets_tests.campaigns.leniency import STRICT, Leniency
from reload_assets_tests.campaigns.schema import Key, Place, Row, Tables, in_windows
from reload_assets_tests.campaigns.tables import Specs

RowKind = Literal["zombie", "stale", "lost"]
Image = Mapping[str, Any] | None
"""A row as JSON has it; None where there is none."""


@dataclass(frozen=True)
class RowFault:
    """A row of production that is wrong: it should not be there, is another than the source's, or is not there.

    ``outside`` says that it was not selected, on either side, and that CDC alone (the shadow) would not have caused the
    fault.
    """

    kind: RowKind
    outside: bool
    table: str
    key: Key
    source: Row | None
    production: Row | None
    shadow: Row | None

    @property
    def worse(self) -> bool:
        """Whether it would be right without any reload."""
        return _same(self.source, self.shadow)


@dataclass(frozen=True)
class Made:
    """A change of production by a reload, as a trigger saw it; rows as JSON has them."""

    transaction: int
    table: str
    before: Image
    after: Image


@dataclass(frozen=True)
class Audited:
    """A row of ``admin.reload_changes``."""

    table: str
    operation: str
    key: Mapping[str, Any]
    before: Image


@dataclass(frozen=True)
class AuditFault:
    """A change of production and the audit do not agree about a row; ``said`` tells how."""

    table: str
    key: Key
    said: str


_Entry = tuple[str, str, Key, str]
"""Table, kind of change, key, and the row before as JSON."""
_KINDS = {"inserted": "insert", "updated": "update", "repaired": "update", "deleted": "delete"}


def judge_rows(
    specs: Specs,
    source: Tables,
    production: Tables,
    shadow: Tables,
    leniency: Leniency = STRICT,
    *,
    windows: bool = True,
    listed: Collection[Place] = (),
) -> list[RowFault]:
    """Every row of production that breaks the promise.

    A row whose key is ``listed``, or that lies in a window on the source or in production (if ``windows`` were
    reloaded), has to equal the source's in every column. In any other each column has to equal the source's or the
    shadow's: the shadow had the same damage and the same CDC, but no reload. Where a row is nowhere worse than the
    shadow's, ``leniency`` may excuse it.
    """
    faults = []
    for name, spec in specs.items():
        for key in sorted(source[name].keys() | production[name].keys() | shadow[name].keys()):
            wanted, found = source[name].get(key), production[name].get(key)
            unreloaded = shadow[name].get(key)
            if _same(wanted, found):
                continue
            in_window = windows and (in_windows(spec, wanted) or in_windows(spec, found))
            outside = not (in_window or (name, key) in listed)
            no_worse = _no_worse(wanted, found, unreloaded)
            if leniency.marks_stay and found is None:
                no_worse = no_worse or not _same(wanted, unreloaded)
            if no_worse and (outside or leniency.excuses((name, key), wanted, found)):
                continue
            kind: RowKind = "lost" if found is None else "zombie" if wanted is None else "stale"
            faults.append(RowFault(kind, outside, name, key, wanted, found, unreloaded))
    return faults


def judge_audit(specs: Specs, made: Sequence[Made], audited: Iterable[Audited]) -> list[AuditFault]:
    """Every change that is not in the audit exactly once, with its key and the row as it was before."""
    changes = Counter(_net(specs, made))
    entries = Counter(
        _entry(one.table, _KINDS.get(one.operation, one.operation), specs[one.table].key_in(one.key), one.before)
        for one in audited
    )
    missing, extra = changes - entries, entries - changes
    return [
        AuditFault(table, key, f"{what}: {kind} of {table} {key}, before {before}")
        for what, found in (("not in the audit", missing), ("in the audit, but not done", extra))
        for table, kind, key, before in sorted(found.elements())
    ]


def judge_lists(
    specs: Specs,
    merged: Iterable[tuple[int, str, Mapping[str, Any]]],
    selected: Iterable[tuple[int, str, Sequence[str]]],
) -> list[str]:
    """Every row that the merge of a list wrote although it is not in the list.

    Both have a reload, a table and a key: ``merged`` as the audit has it, ``selected`` as the ledger has it of a list.
    """
    listed = {
        (reload_id, table, specs[table].key_in(dict(zip(specs[table].key, key, strict=True))))
        for reload_id, table, key in selected
    }
    return [
        f"reload {reload_id} merged {table} {found}, which is not in its list"
        for reload_id, table, key in merged
        if (reload_id, table, found := specs[table].key_in(key)) not in listed
    ]


def _net(specs: Specs, made: Sequence[Made]) -> Iterator[_Entry]:
    """What each transaction did to each row in all: a value may be parked, or a row recreated, on the way."""
    first: dict[tuple[int, str, Key], Image] = {}
    last: dict[tuple[int, str, Key], Image] = {}
    for one in made:
        for row in (one.before, one.after):
            if row is not None:
                place = (one.transaction, one.table, specs[one.table].key_in(row))
                # A change of a key is the end of one row and the beginning of another.
                first.setdefault(place, row if row is one.before else None)
                last[place] = row if row is one.after else None
    for (transaction, table, key), after in last.items():
        before = first[transaction, table, key]
        if before != after:
            kind = "insert" if before is None else "delete" if after is None else "update"
            yield _entry(table, kind, key, before)


def _entry(table: str, kind: str, key: Key, before: Image) -> _Entry:
    return table, kind, key, json.dumps(before, sort_keys=True)


def _same(left: Row | None, right: Row | None) -> bool:
    return (left is None) == (right is None) and (left is None or right is None or dict(left) == dict(right))


def _no_worse(wanted: Row | None, found: Row | None, unreloaded: Row | None) -> bool:
    """Whether a wrong row is as wrong without a reload: there or not there as well, and so in each wrong column."""
    if wanted is None or found is None or unreloaded is None:
        return (found is None) == (unreloaded is None)
    return all(found[column] in (value, unreloaded[column]) for column, value in wanted.items())
