"""What a confirm has found in all: counts for the ledger, and clauses of the result's sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements

MOST_REFUSED = 3
"""A correction that production has refused so many times is not tried again."""

_EXAMPLES = 5


@dataclass(frozen=True)
class Report:
    """Keys by what became of them. ``keys``: by table, how many were read again, and how many of these are orphans.

    ``some_orphans`` and ``reasons`` name tables and keys, the latter with why production refused their corrections.
    """

    keys: Mapping[str, tuple[int, int]]
    left_alone: int
    blocked: int
    some_orphans: Sequence[str]
    reasons: Sequence[str]

    @property
    def read_again(self) -> int:
        """How many keys were read again."""
        return sum(keys for keys, _ in self.keys.values())

    @property
    def orphans(self) -> int:
        """How many of them are orphans."""
        return sum(orphans for _, orphans in self.keys.values())

    @property
    def left_clauses(self) -> list[str]:
        """What stays as it is by policy."""
        clauses = []
        if self.orphans:
            clauses.append(
                f"{self.orphans} rows of production are no longer in the source "
                f"({', '.join(self.some_orphans[:_EXAMPLES])}): reported only, as the policy orphans says"
            )
        if self.left_alone:
            clauses.append(f"{self.left_alone} rows differ and are left alone by policy")
        return clauses

    @property
    def blocked_clauses(self) -> list[str]:
        """What production refuses."""
        if not self.blocked:
            return []
        return [
            f"{self.blocked} rows could not be corrected: {', '.join(self.reasons[:_EXAMPLES])}",
            "after that, materialize production of the window again",
        ]


def report_keys(connection: Connection[Any], plans: Sequence[ConfirmStatements]) -> Report:
    """Count the keys of all tables by what became of them."""
    keys: dict[str, tuple[int, int]] = {}
    left_alone = blocked = 0
    some_orphans: list[str] = []
    reasons: list[str] = []
    for plan in plans:
        name = plan.merge.table.name
        row = plan.run(connection, "9_report:count_keys", most_refused=MOST_REFUSED).fetchone()
        assert row is not None
        keys[name] = (row[0], row[1])
        left_alone, blocked = left_alone + row[2], blocked + row[3]
        some_orphans += [f"{name} {key}" for key in row[4] or ()]
        for reason, rows, some in plan.run(connection, "9_report:count_blocked", most_refused=MOST_REFUSED):
            more = f" and {rows - len(some)} more" if rows > len(some) else ""
            reasons.append(f"{name} {'; '.join(some)}{more} ({reason})")
    return Report(keys, left_alone, blocked, some_orphans, reasons)
