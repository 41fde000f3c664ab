"""Sums up what a confirm found: counts for the ledger, and clauses of the result's sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements

MOST_REFUSED = 3
"""A correction that production has refused this many times is not tried again."""

_EXAMPLES = 5


@dataclass(frozen=True)
class Report:
    """Keys by how they ended. ``keys``: per table, how many were read again, and how many of these are orphans.

    ``some_orphans`` and ``reasons`` name tables and keys. ``reasons`` also says why production refused corrections.
    """

    keys: Mapping[str, tuple[int, int]]
    left_alone: int
    blocked: int
    some_orphans: Sequence[str]
    reasons: Sequence[str]

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
        return clauses

    @property
    def blocked_clauses(self) -> list[str]:
        """The clauses about corrections that production refuses."""
        if not self.blocked:
            return []
        return [f"{self.blocked} rows could not be corrected: {', '.join(self.reasons[:_EXAMPLES])}"]


def report_keys(connection: Connection[Any], all_statements: Sequence[ConfirmStatements]) -> Report:
    """Count the keys of all tables by how they ended."""
    keys: dict[str, tuple[int, int]] = {}
    left_alone = blocked = 0
    some_orphans: list[str] = []
    reasons: list[str] = []
    for statements in all_statements:
        name = statements.merge.table.name
        row = statements.run(connection, "9_report:count_keys", most_refused=MOST_REFUSED).fetchone()
        assert row is not None
        keys[name] = (row[0], row[1])
        left_alone, blocked = left_alone + row[2], blocked + row[3]
        some_orphans += [f"{name} {key}" for key in row[4] or ()]
        for reason, rows, some in statements.run(connection, "9_report:count_blocked", most_refused=MOST_REFUSED):
            more = f" and {rows - len(some)} more" if rows > len(some) else ""
            reasons.append(f"{name} {'; '.join(some)}{more} ({reason})")
    return Report(keys, left_alone, blocked, some_orphans, reasons)
