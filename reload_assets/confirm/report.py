"""Sums up what a confirm found: counts for the ledger, and clauses of the result's sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.tables import ReloadTable

MOST_REFUSED = 3
"""A correction that production has refused this many times is not tried again."""

_EXAMPLES = 5


@dataclass(frozen=True)
class Report:
    """Keys by how they ended. ``keys``: per table, how many were read again, and how many of these are orphans.

    ``some_orphans``, ``rewritten`` and ``reasons`` name tables and keys. ``rewritten`` also names the triggers of
    production that may have changed a row that was written, ``reasons`` why production refused corrections. ``limits``
    are clauses about the tables of which only columns are repaired; their rows are not in ``left_alone``.
    """

    keys: Mapping[str, tuple[int, int]]
    left_alone: int
    blocked: int
    some_orphans: Sequence[str]
    rewritten: Sequence[str]
    reasons: Sequence[str]
    limits: Sequence[str]

    @property
    def read_again(self) -> int:
        """The number of keys that were read again."""
        return sum(keys for keys, _ in self.keys.values())

    @property
    def orphans(self) -> int:
        """The number of keys whose rows are orphans."""
        return sum(orphans for _, orphans in self.keys.values())

    @property
    def left_clauses(self) -> list[str]:
        """The clauses about rows that stay as they are by policy."""
        clauses = []
        if self.orphans:
            clauses.append(
                f"{self.orphans} rows of production are no longer in the source "
                f"({', '.join(self.some_orphans[:_EXAMPLES])}): reported only, as the policy orphans says"
            )
        if self.left_alone:
            clauses.append(f"{self.left_alone} rows differ and are left alone by policy")
        return [*clauses, *self.limits, *self.rewritten]

    @property
    def blocked_clauses(self) -> list[str]:
        """The clauses about corrections that production refuses."""
        if not self.blocked:
            return []
        return [
            f"{self.blocked} rows could not be corrected: {', '.join(self.reasons[:_EXAMPLES])}",
            "after that, materialize production of the window again",
        ]


def report_keys(connection: Connection[Any], all_statements: Sequence[ConfirmStatements]) -> Report:
    """Count the keys of all tables by how they ended."""
    keys: dict[str, tuple[int, int]] = {}
    left_alone = blocked = 0
    some_orphans: list[str] = []
    rewritten: list[str] = []
    reasons: list[str] = []
    limits: list[str] = []
    for statements in all_statements:
        name = statements.merge.table.name
        row = statements.run(connection, "9_report:count_keys", most_refused=MOST_REFUSED).fetchone()
        assert row is not None
        keys[name] = (row[0], row[1])
        blocked += row[3]
        if statements.merge.table.limited_to is None:
            left_alone += row[2]
        else:
            limits.append(_limit(statements.merge.table, row[2]))
        some_orphans += [f"{name} {key}" for key in row[4] or ()]
        rewritten += _rewritten(connection, statements)
        for reason, rows, some in statements.run(connection, "9_report:count_blocked", most_refused=MOST_REFUSED):
            more = f" and {rows - len(some)} more" if rows > len(some) else ""
            reasons.append(f"{name} {'; '.join(some)}{more} ({reason})")
    return Report(keys, left_alone, blocked, some_orphans, rewritten, reasons, limits)


def _limit(table: ReloadTable, left: int) -> str:
    """Return a clause about a table of which only columns are repaired. ``left`` counts rows that stay different."""
    rest = f", and {left} rows stay that only one side has, that are marked as deleted, or that a policy leaves"
    columns = ", ".join(table.limited_to or ())
    return f"only {columns} of {table.target} were compared and corrected{rest if left else ''}"


def _rewritten(connection: Connection[Any], statements: ConfirmStatements) -> list[str]:
    """Return a clause about the rows of one table that triggers have rewritten; none if there are no such rows."""
    row = statements.run(connection, "9_report:count_rewritten").fetchone()
    assert row is not None
    rows, some = row
    if not rows:
        return []
    table = statements.merge.table
    names = ", ".join(trigger.name for trigger in table.production.triggers) or "of a partition"
    return [
        f"{rows} rows of {table.target} differ from what was written ({'; '.join(some)}), because a trigger of "
        f"production changes them ({names})"
    ]
