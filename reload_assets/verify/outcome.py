"""The outcome of a check: one sentence, the numbers behind it, and whether it blocks the merge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reload_assets.ledger.ledger import CheckStatus

Fact = int | float | str


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check of one table of a reload.

    ``detail`` is one sentence that names counts, keys or columns, and the fix. ``blocking`` says whether the merge
    must wait until this check has passed. ``facts`` are the numbers behind the sentence; counts are in rows.
    """

    check_name: str
    status: CheckStatus
    blocking: bool
    detail: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 row``, ``2 rows``, ``1,000 keys``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def examples(keys: Sequence[str], names: Iterable[str], total: int | None = None) -> str:
    """Return ``order_id 1, 2, 3 ...`` or ``(order_id, line_no) (1, 2), (1, 3)``. Dots say that there are more."""
    columns = list(names)
    composite = len(columns) > 1
    listed = ", ".join(f"({key})" if composite else key for key in keys)
    more = " ..." if total is not None and total > len(keys) else ""
    return f"{'(' + ', '.join(columns) + ')' if composite else columns[0]} {listed}{more}"


def key_example(values: Sequence[str | None]) -> str:
    """Return a key's values as ``examples`` takes them."""
    return ", ".join("NULL" if value is None else value for value in values)
