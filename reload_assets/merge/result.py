"""What a merge did: staged rows by outcome, per table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcomes:
    """What became of the staged rows of one table; in rows, their sum is the number of staged rows of the window."""

    inserted: int = 0
    updated: int = 0
    repaired: int = 0
    identical: int = 0
    refused: int = 0
    unversioned: int = 0
    skipped: int = 0

    @property
    def changed(self) -> int:
        """How many rows of production the merge changed: as many as it wrote into the audit."""
        return self.inserted + self.updated + self.repaired


@dataclass(frozen=True)
class MergeResult:
    """A merge that was committed: outcomes by table name, transactions tried, seconds up to the last commit.

    ``chunks`` are the transactions that were committed, with those of an earlier call that was interrupted.
    """

    outcomes: dict[str, Outcomes]
    attempts: int
    seconds: float
    chunks: int
