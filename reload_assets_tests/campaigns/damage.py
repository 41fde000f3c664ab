"""Production before the reloads: the source's rows, of which a share is missing, stale, corrupted or a zombie."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from reload_assets_tests.campaigns.schema import (
    BOUNDS,
    STEP,
    Key,
    Place,
    Row,
    Tables,
    TableSpec,
    World,
    all_keys,
    in_windows,
)

SHARE = 0.3
"""The share of the windows' rows that is damaged."""
KINDS = ("missing", "stale", "corrupted", "zombie")


@dataclass(frozen=True)
class Damaged:
    """The damaged production; which of its rows the source lacks, and which the source has with other content."""

    production: Tables
    zombies: frozenset[Place]
    altered: frozenset[Place]


def damage(source: Tables, rng: random.Random, kinds: Collection[str], world: World) -> Damaged:
    """A damaged copy of the source's rows. Only rows of the windows are touched, since nothing else is reloaded.

    Damaged values of a unique column are ones that the source never uses, but in a world where they meet: there they
    keep CDC from applying changes, in the shadow as well.
    """
    production: Tables = {name: dict(rows) for name, rows in source.items()}
    zombies: set[Place] = set()
    altered: set[Place] = set()
    to_rows = [kind for kind in KINDS if kind in kinds and kind != "zombie"]
    for spec in world.specs.values():
        rows = production[spec.name]
        inside = [key for key, row in sorted(rows.items()) if in_windows(spec, row)]
        for key in inside:
            if not to_rows or rng.random() >= SHARE:
                continue
            kind = rng.choices(to_rows, [3 if each == "missing" else 1 for each in to_rows])[0]
            if kind == "missing" and not _may_go_missing(spec, rows[key], source):
                continue
            if kind == "missing":
                del rows[key]
            else:
                rows[key] = _altered(spec, rows[key], kind, rng)
                altered.add((spec.name, key))
                if spec.unique and world.meeting:
                    rows[key] = {**rows[key], spec.unique: _meeting(spec.unique, rows.values(), rng)}
        if "zombie" in kinds and not (spec.parent and world.orphans != "delete"):
            # A child that stays would prevent production from ever losing its parent.
            free = [key for key in all_keys(spec) if key not in source[spec.name]]
            for key in rng.sample(free, min(len(free), round(len(inside) * SHARE / 3))):
                rows[key] = _zombie(spec, key, source, rng)
                zombies.add((spec.name, key))
    return Damaged(production, frozenset(zombies), frozenset(altered))


def _may_go_missing(spec: TableSpec, row: Row, source: Tables) -> bool:
    """Return whether a row may be missing: customers only in the first window, if the second has no orders of theirs.

    A reload that has orders of missing customers is refused until the customers are there. If two windows lacked each
    other's customers, neither could be reloaded.
    """
    if spec.name != "customers":
        return True
    second = BOUNDS[1][0]
    orders = [order for order in source["orders"].values() if order["customer_id"] == row["customer_id"]]
    return bool(row[spec.window] < second) and not any(second <= order["updated_at"] < BOUNDS[1][1] for order in orders)


def _altered(spec: TableSpec, row: Row, kind: str, rng: random.Random) -> Row:
    """Other content, under an older version where it is stale. A row without a version has none that is older."""
    after: dict[str, Any] = dict(row)
    for column in spec.content:
        after[column] = -1 if column in ("amount", "balance") else f"{kind} {column}"
    if spec.unique and rng.random() < 0.5:
        after[spec.unique] = f"{kind} {spec.key_of(row)}"
    if kind == "stale" and row[spec.version] is not None:
        after[spec.version] = row[spec.version] - timedelta(seconds=rng.randint(1, 1800))
    return after


def _meeting(column: str, rows: Collection[Row], rng: random.Random) -> str:
    """A login that the source has or may get, and that no other row of production has."""
    taken = {row[column] for row in rows}
    return rng.choice([name for name in (f"user {number}" for number in range(1, 201)) if name not in taken])


def _zombie(spec: TableSpec, key: Key, source: Tables, rng: random.Random) -> Row:
    start, end = rng.choice(BOUNDS)
    at = start + rng.randrange((end - start) // STEP) * STEP
    row: dict[str, Any] = dict.fromkeys(spec.columns)
    row |= dict(zip(spec.key, key, strict=True))
    for column in spec.content:
        row[column] = -2 if column in ("amount", "balance") else f"zombie {column}"
    if spec.unique:
        row[spec.unique] = f"zombie {key}"
    if spec.parent:
        row["customer_id"] = rng.choice(sorted(source[spec.parent]))[0]
    # Older or newer than what the source comes up with for the same key.
    row[spec.version] = at + timedelta(days=rng.choice((0, 60)))
    row[spec.window] = at
    return row
