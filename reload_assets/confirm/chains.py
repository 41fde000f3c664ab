"""Finds chains of rows between which unique values move. The rows of a chain are corrected together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.confirm.verdicts import Correction
from reload_assets.merge.unique_swaps import swap_keys
from reload_assets.postgres.session import analyze, drop_table, prefer_hash_joins


def number_chains(connection: Connection[Any], statements: ConfirmStatements) -> int:
    """Number the chains among the held corrections, from 1, as batches. Returns how many there are."""
    uniques = swap_keys(statements.merge)
    if not uniques:
        return 0
    with connection.transaction():
        statements.run(connection, "6_correct:create_delta", correction=Correction.HELD.value)
        analyze(connection, None, statements.merge.delta)
        pairs: list[tuple[str, str]] = []
        with prefer_hash_joins(connection):
            for unique in uniques:
                pairs += statements.run(connection, "6_correct:find_chains", unique.pieces).fetchall()
        numbers = _number(pairs)
        statements.run(connection, "6_correct:set_batches", places=list(numbers), numbers=list(numbers.values()))
        drop_table(connection, None, statements.merge.delta)
    return max(numbers.values(), default=0)


def _number(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the chain number of each row that is in a chain. A chain has all rows that pairs connect."""
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
