"""The lists of keys that a run reloads: of damaged rows, of right ones, and of keys that nobody has."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reload_assets_tests.campaigns.schema import Key, Place, Tables, all_keys
from reload_assets_tests.campaigns.tables import Specs

_LISTS = (2, 3, 4)
TWICE = 0.15
"""The share of keys that are in two lists."""
_RIGHT = 0.1
"""The share of the other keys, of right rows and of none, that are in a list."""


@dataclass(frozen=True)
class KeyList:
    """Keys by table that are reloaded together, under a name that no other list of the run has."""

    name: str
    keys: Mapping[str, Sequence[Key]]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(f'{table} {[*keys]}' for table, keys in self.keys.items())})"

    @property
    def places(self) -> set[Place]:
        """What is in it."""
        return {(table, key) for table, keys in self.keys.items() for key in keys}


def list_of(name: str, places: Iterable[Place], specs: Specs) -> KeyList:
    """A list of these; tables without any are left out."""
    keys: dict[str, list[Key]] = {table: [] for table in specs}
    for table, key in sorted(places):
        keys[table].append(key)
    return KeyList(name, {table: found for table, found in keys.items() if found})


def differing(specs: Specs, source: Tables, production: Tables) -> set[Place]:
    """The keys whose rows are not the same on both sides."""
    return {
        (name, key)
        for name in specs
        for key in source[name].keys() | production[name].keys()
        if source[name].get(key) != production[name].get(key)
    }


def drawn_lists(specs: Specs, wrong: Collection[Place], rng: random.Random, *, all_wrong: bool) -> list[KeyList]:
    """Several lists over keys of all tables, some in two of them. Together they have all wrong keys, or about half."""
    parts: list[set[Place]] = [set() for _ in range(rng.choice(_LISTS))]
    for name, spec in specs.items():
        for key in all_keys(spec):
            share = 1.0 if all_wrong else 0.5
            if rng.random() < (share if (name, key) in wrong else _RIGHT):
                for part in rng.sample(parts, 2 if rng.random() < TWICE else 1):
                    part.add((name, key))
    return [list_of(f"list-{number}", part, specs) for number, part in enumerate(parts, start=1) if part]


def halves(places: Collection[Place], name: str, rng: random.Random, specs: Specs) -> list[KeyList]:
    """Two lists that have these between them, some keys in both."""
    parts: list[set[Place]] = [set(), set()]
    for place in sorted(places):
        for part in parts if rng.random() < TWICE else [rng.choice(parts)]:
            part.add(place)
    return [list_of(f"{name}-{number}", part, specs) for number, part in enumerate(parts, start=1) if part]


def parents(selected: KeyList, specs: Specs, source: Tables, production: Tables) -> set[Place]:
    """The parents of the listed rows that the source has and production lacks: without them a merge is refused."""
    found: set[Place] = set()
    for table, keys in selected.keys.items():
        parent = specs[table].parent
        if parent is None:
            continue
        rows = (source[table].get(key) for key in keys)
        wanted = {(row["customer_id"],) for row in rows if row and row["customer_id"] is not None}
        found |= {(parent, key) for key in wanted & source[parent].keys() if key not in production[parent]}
    return found
