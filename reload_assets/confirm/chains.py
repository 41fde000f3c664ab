"""Rows between which unique values move: each chain of them is corrected together, the other rows in any batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.confirm.verdicts import Correction
from reload_assets.merge.unique_swaps import swap_keys
from reload_assets.postgres.session import analyze, drop_table, prefer_hash_joins


def number_chains(connection: Connection[Any], plan: ConfirmStatements) -> int:
    """Number the chains among the corrections that are held back, from 1 on, as batches. Returns how many there are."""
    uniques = swap_keys(plan.merge)
    if not uniques:
        return 0
    with connection.transaction():
        plan.run(connection, "6_correct:create_delta", correction=Correction.HELD.value)
        analyze(connection, None, plan.merge.delta)
        pairs: list[tuple[str, str]] = []
        with prefer_hash_joins(connection):
            for unique in uniques:
                pairs += plan.run(connection, "6_correct:find_chains", unique.pieces).fetchall()
        numbers = _number(pairs)
        plan.run(connection, "6_correct:set_batches", places=list(numbers), numbers=list(numbers.values()))
        drop_table(connection, None, plan.merge.delta)
    return max(numbers.values(), default=0)


def _number(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the number of the chain of each row that is in one. A chain takes in all rows that pairs connect."""
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
