"""Rows between which unique values move: each chain of them is corrected together, the other rows in any batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.merge.unique_swaps import swap_keys
from reload_assets.postgres.session import analyze, prefer_hash_joins
from reload_assets.postgres.statements import join


def number_chains(connection: Connection[Any], plan: ConfirmStatements) -> int:
    """Number the chains among the corrections that are held back, from 1 on, in the keys' column batch; how many."""
    keys = swap_keys(plan.merge)
    if not keys:
        return 0
    with connection.transaction():
        plan.run(connection, "create_moving", verdicts=["held insert", "held update"])
        analyze(connection, None, plan.merge.delta)
        pairs: list[tuple[str, str]] = []
        with prefer_hash_joins(connection):
            for unique in keys:
                pairs += plan.run(connection, "find_chains", join(unique.pieces)).fetchall()
        numbers = _number(pairs)
        plan.run(connection, "set_batches", places=list(numbers), numbers=list(numbers.values()))
        plan.run(connection, "drop_moving")
    return max(numbers.values(), default=0)


def _number(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The number of the chain of each row that is in one; a chain takes in all rows that pairs connect."""
    beside: dict[str, set[str]] = {}
    for one, other in pairs:
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    numbers: dict[str, int] = {}
    chains = 0
    for row in beside:
        if row in numbers:
            continue
        chains += 1
        found = [row]
        while found:
            current = found.pop()
            if current not in numbers:
                numbers[current] = chains
                found.extend(beside[current])
    return numbers
