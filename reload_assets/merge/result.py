"""The result of a merge: the number of staged rows per outcome and table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcomes:
    """Staged rows of one table by outcome. Their sum is the number of staged rows in the window."""

    inserted: int = 0
    updated: int = 0
    repaired: int = 0
    identical: int = 0
    refused: int = 0
    unversioned: int = 0
    skipped: int = 0

    @property
    def changed(self) -> int:
        """The number of production rows that the merge changed. The audit has one entry for each."""
        return self.inserted + self.updated + self.repaired


@dataclass(frozen=True)
class MergeResult:
    """A committed merge: outcomes by table name, transactions tried, seconds until the last commit.

    ``chunks`` counts the committed transactions, including those of an earlier call that was interrupted.
    """

    outcomes: dict[str, Outcomes]
    attempts: int
    seconds: float
    chunks: int
