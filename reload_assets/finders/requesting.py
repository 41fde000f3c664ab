"""Turns what finders see into rows of ``admin.findings`` and requests: each piece of evidence once, for good."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from psycopg import Connection

from reload_assets.config.finders import HealingLimits
from reload_assets.errors import ReloadError
from reload_assets.errors.cdc import CdcTableSuspended
from reload_assets.errors.requests import HeldByLimit, HeldForCdc
from reload_assets.finders.finding import FinderName, Finding, Key
from reload_assets.finders.limits import Asking, why_all_held, why_doubtful, why_held_today
from reload_assets.finders.open_requests import match, open_requests
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run
from reload_assets.windows import Window

WhyWait = Callable[[str, Sequence[str]], ReloadError | None]
"""Returns why CDC does not carry tables of a group without a lag, so that their reload has to wait; None if it does."""

_SAW: Mapping[FinderName, str] = {
    "validation": "DMS validation lists {what} that differ",
    "skipped": "CDC skipped statements about {what}",
    "drift": "a comparison found {what} that differ",
}
_EXAMPLES = 5
_TABLES_IN_REASON = 5


@dataclass(frozen=True)
class Asked:
    """What became of findings: how many are new, and the ids of the requests that ask for their reload.

    ``held`` says why. ``open_already``: requests that ask for the same and were open before.
    """

    new_findings: int = 0
    pending: list[int] = field(default_factory=list)
    held: dict[int, str] = field(default_factory=dict)
    open_already: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        said = [f"New findings: {self.new_findings}"]
        for what, ids in (("requested", self.pending), ("held", self.held), ("open already", self.open_already)):
            if ids:
                said.append(f"{what}: request {', '.join(map(str, ids))}")
        return "; ".join(said) + "."


@dataclass
class _Wanted:
    """A request to make: keys by table, or a window with its tables, and the findings that it is for.

    ``waits``: CDC does not carry its tables, although it carries others of the group.
    """

    finder: FinderName
    group: str
    window: Window | None
    whole_windows: bool
    waits: bool
    findings: dict[int, Finding] = field(default_factory=dict)
    keys: dict[str, dict[Key, None]] = field(default_factory=dict)

    @property
    def tables(self) -> list[str]:
        return list(dict.fromkeys(finding.table for finding in self.findings.values()))

    @property
    def asking(self) -> Asking:
        return Asking(sum(map(len, self.keys.values())), 0 if self.window is None else 1)

    @property
    def reason(self) -> str:
        """A sentence without its full stop."""
        named, others = self.tables[:_TABLES_IN_REASON], len(self.tables) - _TABLES_IN_REASON
        *most, last = [*named, f"{others} more"] if others > 0 else named
        listed = f"{', '.join(most)} and {last}" if most else last
        if self.window is not None:
            return _SAW[self.finder].format(what=f"rows of {listed} in {self.window}")
        count = self.asking.keys
        least = "at least " if self.whole_windows else ""
        return _SAW[self.finder].format(what=f"{least}{count:,} {'row' if count == 1 else 'rows'} of {listed}")

    @property
    def evidence(self) -> dict[str, Any]:
        """The number of findings, also by their ``kind``, and the first ones."""
        kinds = Counter(str(one.evidence["kind"]) for one in self.findings.values() if "kind" in one.evidence)
        first = list(self.findings.items())[:_EXAMPLES]
        return {
            "findings": len(self.findings),
            "kinds": dict(kinds),
            "examples": [
                {
                    "finding_id": number,
                    "table": one.table,
                    "keys": [list(key) for key in one.keys[:_EXAMPLES]],
                    "seen_at": one.seen_at.isoformat(),
                    "evidence": dict(one.evidence),
                }
                for number, one in first
            ],
        }


def ask(target: TargetDatabase, limits: HealingLimits, findings: Iterable[Finding], why_wait: WhyWait) -> Asked:
    """Note findings, and make one request per group for the keys, and one per window, that nothing asks for yet.

    Keys of incomplete findings get a request of their own, for the windows that hold them, and so do those of tables
    that CDC has suspended. Requests beyond the limits, and those that have to wait for CDC, are held. Two processes do
    not ask twice. Raises psycopg's errors.
    """
    given = list(findings)
    with target.connect(autocommit=True) as connection:
        unknown = _unknown(connection, given)
        if not unknown:
            return Asked()
        # Before the transaction, because DMS may take long to answer.
        waits = {
            (group, table): why
            for group in sorted({one.group for one in unknown})
            for table, why in _waits(why_wait, group, sorted({one.table for one in unknown if one.group == group}))
        }
        with connection.transaction():
            run(connection, "finders/requesting:lock_findings")
            return _Asker(connection, limits, waits).ask(_insert(connection, unknown))


def _waits(why_wait: WhyWait, group: str, tables: Sequence[str]) -> Iterator[tuple[str, ReloadError | None]]:
    """Yield each of the tables with the reason why its reload has to wait; None for those that CDC carries."""
    why = why_wait(group, tables)
    # What is wrong with the task is wrong with all of its tables.
    is_of_table = isinstance(why, CdcTableSuspended) and len(tables) > 1
    yield from ((table, why_wait(group, [table]) if is_of_table else why) for table in tables)


def _unknown(connection: Connection[Any], findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that were not reported before."""
    known: set[tuple[str, str]] = set()
    for finder, each in groupby(sorted(findings, key=lambda one: one.finder), key=lambda one: one.finder):
        ids = [one.evidence_id for one in each]
        rows = run(connection, "finders/requesting:list_known", finder=finder, evidence_ids=ids).fetchall()
        known |= {(finder, evidence_id) for (evidence_id,) in rows}
    return [one for one in findings if (one.finder, one.evidence_id) not in known]


def _insert(connection: Connection[Any], findings: Sequence[Finding]) -> dict[int, Finding]:
    """Note findings. Returns those that no other process has noted in between, by their ids."""
    by_evidence: dict[tuple[str, str], Finding] = {}
    for one in findings:
        by_evidence.setdefault((one.finder, one.evidence_id), one)
    document = json.dumps([_as_row(one) for one in by_evidence.values()])
    rows = run(connection, "finders/requesting:insert_findings", findings=document).fetchall()
    return {number: by_evidence[finder, evidence_id] for number, finder, evidence_id in sorted(rows)}


def _as_row(finding: Finding) -> dict[str, Any]:
    # A finding has keys or a window. The window in which a finder saw the keys only says how much is wrong there.
    window = None if finding.keys else finding.window
    if not finding.keys and window is None:
        raise ValueError(f"the finding {finding.evidence_id} of {finding.finder} has neither keys nor a window")
    return {
        "finder": finding.finder,
        "evidence_id": finding.evidence_id,
        "group_name": finding.group,
        "table_name": finding.table,
        "keys": [list(key) for key in finding.keys] or None,
        "window_start": window and window.start.isoformat(),
        "window_end": window and window.end.isoformat(),
        "evidence": dict(finding.evidence),
        "seen_at": finding.seen_at.isoformat(),
    }


class _Asker:
    """Makes the requests for new findings, in the caller's transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        limits: HealingLimits,
        waits: Mapping[tuple[str, str], ReloadError | None],
    ) -> None:
        self._connection, self._limits, self._waits = connection, limits, waits

    def ask(self, findings: Mapping[int, Finding]) -> Asked:
        asked = Asked(len(findings))
        wanted, joined = self._sort(findings)
        for request_id, numbers in sorted(joined.items()):
            self._link(request_id, numbers)
            asked.open_already.append(request_id)
        flooded = {
            finder: why_all_held(self._limits, finder, [one.asking for one in wanted if one.finder == finder])
            for finder in {one.finder for one in wanted}
        }
        for one in wanted:
            why_limited = flooded[one.finder] or self._why_limited(one)
            request_id = self._request(one)
            wait = next((why for table in one.tables if (why := self._waits[one.group, table])), None)
            held: ReloadError | None = None
            if why_limited is not None:
                held = HeldByLimit(request_id, why_limited)
            elif wait is not None:
                held = HeldForCdc(request_id, str(wait))
            if held is None:
                asked.pending.append(request_id)
            else:
                run(self._connection, "requests:hold_request", request_id=request_id, held_because=str(held))
                asked.held[request_id] = str(held)
        return asked

    def _sort(self, findings: Mapping[int, Finding]) -> tuple[list[_Wanted], dict[int, list[int]]]:
        """Return the requests to make, and the ids of findings by the open request that asks for the same."""
        groups = sorted({finding.group for finding in findings.values()})
        opened = open_requests(self._connection, groups)
        wanted: dict[Any, _Wanted] = {}
        joined: dict[int, list[int]] = {}
        for number, finding in findings.items():
            found, left = match(finding, opened)
            if (not finding.keys and found is None) or left:
                window = None if finding.keys else finding.window
                whole = bool(finding.keys) and not finding.is_complete
                waits = self._waits[finding.group, finding.table] is not None
                place = (finding.finder, finding.group, window, whole, waits)
                one = wanted.setdefault(place, _Wanted(*place))
                one.findings[number] = finding
                if left:
                    one.keys.setdefault(finding.table, {}).update(dict.fromkeys(left))
            elif found is not None:
                joined.setdefault(found, []).append(number)
        return list(wanted.values()), joined

    def _why_limited(self, wanted: _Wanted) -> str | None:
        row = run(self._connection, "finders/requesting:count_recent").fetchone()
        assert row is not None
        return why_held_today(self._limits, Asking(*row), wanted.asking) or why_doubtful(
            self._limits, wanted.findings.values()
        )

    def _request(self, wanted: _Wanted) -> int:
        window = wanted.window
        row = run(
            self._connection,
            "finders/requesting:insert_request",
            group_name=wanted.group,
            window_start=window and window.start,
            window_end=window and window.end,
            tables=None if window is None else wanted.tables,
            keys_of_tables=json.dumps(_as_json(wanted.keys)) if wanted.keys else None,
            whole_windows=wanted.whole_windows,
            reason=wanted.reason,
            finder=wanted.finder,
            evidence=json.dumps(wanted.evidence),
        ).fetchone()
        assert row is not None
        self._link(row[0], list(wanted.findings))
        return int(row[0])

    def _link(self, request_id: int, numbers: Sequence[int]) -> None:
        run(
            self._connection,
            "finders/requesting:link_findings",
            request_id=request_id,
            finding_ids=list(numbers),
        )


def _as_json(keys: Mapping[str, Iterable[Key]]) -> dict[str, list[Any]]:
    return {table: [key[0] if len(key) == 1 else list(key) for key in each] for table, each in keys.items()}
