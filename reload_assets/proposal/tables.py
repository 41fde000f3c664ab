"""Decides which tables a first configuration has, and why it leaves out the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reload_assets.config.table_names import TableName
from reload_assets.conversions.pair import Pair
from reload_assets.postgres.catalog import ForeignKey
from reload_assets.proposal.choice import Choice, NotChosen, Times, choose_key, choose_times
from reload_assets.proposal.paired import Columns, Described, pair_columns


@dataclass(frozen=True)
class Proposed:
    """A table with all that was chosen for it."""

    table: Described
    columns: Columns
    key: Choice
    times: Times

    @property
    def lobs(self) -> list[Pair]:
        """The columns that DMS loads as LOBs."""
        return [pair for pair in self.columns.pairs if pair.source.type.is_lob]

    @property
    def losses(self) -> list[Pair]:
        """The columns whose values production's types would change, or cannot hold."""
        return [pair for pair in self.columns.pairs if pair.conversion.loss is not None]


@dataclass(frozen=True)
class LeftOut:
    """A table that is not proposed, with the reason as the end of a sentence."""

    table: TableName
    why: str


@dataclass(frozen=True)
class Family:
    """Tables that foreign keys connect, in the order of their names, and the foreign keys to tables outside."""

    tables: Sequence[Proposed]
    outside: Sequence[tuple[Proposed, ForeignKey]]


def propose(table: Described) -> Proposed | LeftOut:
    """Choose everything for a table; without a key or a window column it is left out."""
    columns = pair_columns(table)
    key = choose_key(table, columns)
    if isinstance(key, NotChosen):
        return LeftOut(table.source, key.why)
    times = choose_times(table, columns)
    if isinstance(times, NotChosen):
        return LeftOut(table.source, times.why)
    return Proposed(table, columns, key, times)


def families(tables: Iterable[Proposed]) -> list[Family]:
    """Return the tables by the foreign keys that connect them, the largest family first."""
    by_target = {str(one.table.target): one for one in tables}
    family_of = {target: {target} for target in by_target}
    outside: dict[str, list[tuple[Proposed, ForeignKey]]] = {target: [] for target in by_target}
    for target, one in by_target.items():
        for key in one.table.production.every_foreign_key:
            parent = key.parent_in(by_target)
            if parent is None:
                outside[target].append((one, key))
            elif family_of[parent] is not family_of[target]:
                both = family_of[target] | family_of[parent]
                for member in both:
                    family_of[member] = both
    distinct = {id(members): sorted(members) for members in family_of.values()}
    found = [
        Family([by_target[name] for name in members], [one for name in members for one in outside[name]])
        for members in distinct.values()
    ]
    return sorted(found, key=lambda family: (-len(family.tables), str(family.tables[0].table.target)))
