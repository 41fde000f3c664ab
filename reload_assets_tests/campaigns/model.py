"""Draws what the writer does to the source, from the run's seed and with a model of the source's rows.

The model needs no database. It knows which rows exist, which rows open transactions have touched, and which keys and
values are free, so whatever it draws can be executed without waiting for a lock.

Some changes are never drawn. After them, CDC alone would make production differ from the source, outside the windows
and so out of any reload's reach, and a later change could carry that difference into a window:

- an order that has left the windows does not come back, but in a world where that is wanted (it may be missing in
  production, and CDC skips the updates of a missing row: it is up to a reload that begins later to bring it);
- a key change onto the key of a zombie (which CDC skips) is made only to rows of the windows, and never to
  accounts, whose old login would stay taken in production.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reload_assets_tests.campaigns.schema import (
    AFTER,
    BEFORE,
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

_HOT_KEYS = 10
_RESTLESS_SHARE = 0.25
"""The share of runs in which logins move a lot between accounts, so that many a merge is refused and made again."""
_ATTEMPTS = 30


@dataclass(frozen=True)
class Change:
    """One row's change: an insert has no ``before``, a delete no ``after``; a key change has two different keys."""

    spec: TableSpec
    before: Row | None
    after: Row | None

    def __str__(self) -> str:
        if self.before is None:
            return f"insert {_told(self.after)}"
        if self.after is None:
            return f"delete {self.spec.key_of(self.before)}"
        return f"update {self.spec.key_of(self.before)} to {_told(self.after)}"

    def touches(self, table: str, key: Key) -> bool:
        """Whether it concerns that row, by its old key or by its new one."""
        return self.spec.name == table and any(self.spec.key_of(row) == key for row in (self.before, self.after) if row)


@dataclass
class Transaction:
    """An open transaction of the source: what to put back when it is rolled back, and what it holds."""

    undo: list[tuple[Place, Row | None, bool]] = field(default_factory=list)
    held: set[Place] = field(default_factory=set)
    logins: set[str] = field(default_factory=set)


class Model:
    """The source's rows as they are once every open transaction has been committed."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self._rng, self._world = rng, world
        self.specs = world.specs
        self.tables: Tables = {name: {} for name in self.specs}
        self.clock: Callable[[], datetime] | None = None
        """The time of the source, in its zone, for versions; without it they only count on."""
        self.zombies: Collection[Place] = ()
        """Keys that production has and the source has not, from the start."""
        self._left: set[Place] = set()
        self._open: list[Transaction] = []
        self._now = datetime(2025, 2, 1)
        self._restless = rng.random() < _RESTLESS_SHARE
        self._logins = 200 if self._restless else 600
        self._fill()

    def begin(self) -> Transaction:
        """A new transaction."""
        transaction = Transaction()
        self._open.append(transaction)
        return transaction

    def commit(self, transaction: Transaction) -> None:
        """Its rows are free for others."""
        self._open.remove(transaction)

    def rollback(self, transaction: Transaction) -> None:
        """As if it had not been."""
        self.rollback_to(transaction, 0)
        self._open.remove(transaction)

    def savepoint(self, transaction: Transaction) -> int:
        """A mark for ``rollback_to``."""
        return len(transaction.undo)

    def rollback_to(self, transaction: Transaction, mark: int) -> None:
        """Take back what was done after the mark."""
        while len(transaction.undo) > mark:
            place, row, left = transaction.undo.pop()
            table, key = place
            if row is None:
                self.tables[table].pop(key, None)
            else:
                self.tables[table][key] = row
            (self._left.add if left else self._left.discard)(place)

    def change(self, transaction: Transaction) -> list[Change]:
        """Something to do in the transaction, in its order; nothing where the draws found no free row for it."""
        operations: list[tuple[int, Callable[[Transaction], list[Change]]]] = [
            (156, self._insert),
            (129, self._delete),
            (60, self._update),
            (54, self._change_key),
            # Rare: if it happens between a load and its merge, the reload is refused and has to be repeated.
            (3, self._insert_family),
            (2, self._delete_family),
            (6 if self._restless else 1, self._swap_logins),
        ]
        weights, functions = zip(*operations, strict=True)
        for _ in range(_ATTEMPTS):
            (operation,) = self._rng.choices(functions, weights)
            if changes := operation(transaction):
                return changes
        return []

    def _fill(self) -> None:
        everything = self.begin()
        for spec in self.specs.values():
            for key in all_keys(spec):
                if self._rng.random() < 0.6 and (row := self._new_row(everything, spec, key)):
                    self._put(everything, spec, None, row)
        self.commit(everything)

    # Single rows

    def _insert(self, transaction: Transaction) -> list[Change]:
        spec = self._table()
        key = self._key(spec)
        if not self._free(transaction, spec, key) or key in self.tables[spec.name]:
            return []
        row = self._new_row(transaction, spec, key)
        return [self._put(transaction, spec, None, row)] if row else []

    def _delete(self, transaction: Transaction) -> list[Change]:
        spec = self._table()
        row = self._present(transaction, spec)
        if row is None or self._children(spec, row):
            return []
        return [self._put(transaction, spec, row, None)]

    def _update(self, transaction: Transaction) -> list[Change]:
        spec = self._table()
        row = self._present(transaction, spec)
        if row is None:
            return []
        after = {**row, **self._content(transaction, spec), **self._stamps(spec, row)}
        if spec.unique and self._rng.random() < 0.6:
            after[spec.unique] = row[spec.unique]
        if spec.parent and self._rng.random() < 0.3 and (parent := self._parent(transaction, spec)):
            after["customer_id"] = parent
        return [self._put(transaction, spec, row, after)]

    def _change_key(self, transaction: Transaction) -> list[Change]:
        spec = self._table()
        row, key = self._present(transaction, spec), self._key(spec)
        if row is None or self._children(spec, row) or key in self.tables[spec.name]:
            return []
        if spec.unique and row[spec.unique] is not None and self._rng.random() < (0.3 if self._restless else 0.7):
            # Rarer: if a login has its old key in staging and its new key in production, the merge is refused.
            return []
        onto_zombie = (spec.name, key) in self.zombies
        if not self._free(transaction, spec, key) or (onto_zombie and (spec.unique or not in_windows(spec, row))):
            return []
        after = {**row, **dict(zip(spec.key, key, strict=True))}
        if self._rng.random() < 0.5:
            after |= self._stamps(spec, row)
        return [self._put(transaction, spec, row, after)]

    # Several rows that belong together

    def _insert_family(self, transaction: Transaction) -> list[Change]:
        customers, orders = self.specs["customers"], self.specs["orders"]
        key = self._key(customers)
        if not self._free(transaction, customers, key) or key in self.tables["customers"]:
            return []
        row = self._new_row(transaction, customers, key)
        assert row is not None
        changes = [self._put(transaction, customers, None, row)]
        for child in {self._key(orders) for _ in range(3)}:
            if self._free(transaction, orders, child) and child not in self.tables["orders"]:
                order = {"order_id": child[0], "customer_id": key[0], **self._content(transaction, orders)}
                changes.append(self._put(transaction, orders, None, {**order, "updated_at": self._instant()}))
        return changes

    def _delete_family(self, transaction: Transaction) -> list[Change]:
        customers, orders = self.specs["customers"], self.specs["orders"]
        row = self._present(transaction, customers)
        children = self._children(customers, row) if row else []
        if row is None or not all(self._free(transaction, orders, orders.key_of(child)) for child in children):
            return []
        changes = [self._put(transaction, orders, child, None) for child in children]
        return [*changes, self._put(transaction, customers, row, None)]

    def _swap_logins(self, transaction: Transaction) -> list[Change]:
        spec = self.specs["accounts"]
        one, other = self._present(transaction, spec), self._present(transaction, spec)
        if one is None or other is None or one == other or None in (one["login"], other["login"]):
            return []
        first = self._put(transaction, spec, one, {**one, "login": None})
        second = self._put(transaction, spec, other, {**other, "login": one["login"], **self._stamps(spec, other)})
        assert first.after is not None
        after = {**first.after, "login": other["login"], **self._stamps(spec, one)}
        return [first, second, self._put(transaction, spec, first.after, after)]

    # Draws

    def _table(self) -> TableSpec:
        # Fewer customers: if orders lose theirs during a reload, the reload is refused and has to be repeated.
        return self._rng.choices(list(self.specs.values()), [1, 6, 6, 6])[0]

    def _key(self, spec: TableSpec) -> Key:
        keys = all_keys(spec)
        return self._rng.choice(keys[:_HOT_KEYS] if self._rng.random() < 0.4 else keys)

    def _present(self, transaction: Transaction, spec: TableSpec) -> Row | None:
        """A row that exists and that no other transaction holds."""
        key = self._key(spec)
        return self.tables[spec.name].get(key) if self._free(transaction, spec, key) else None

    def _parent(self, transaction: Transaction, spec: TableSpec) -> int | None:
        assert spec.parent is not None
        parent = self.specs[spec.parent]
        row = next((found for _ in range(5) if (found := self._present(transaction, parent))), None)
        if row is None:
            return None
        return int(row[parent.key[0]])

    def _new_row(self, transaction: Transaction, spec: TableSpec, key: Key) -> Row | None:
        row: dict[str, Any] = dict(zip(spec.key, key, strict=True))
        if spec.parent:
            parent = self._parent(transaction, spec)
            if parent is None:
                return None
            row["customer_id"] = parent
        row |= self._content(transaction, spec)
        row[spec.window] = self._instant()
        if spec.version != spec.window:
            row[spec.version] = self._version(spec)
        return {column: row[column] for column in spec.columns}

    def _content(self, transaction: Transaction, spec: TableSpec) -> dict[str, Any]:
        number = self._rng.randint(1, 10**6)
        drawn: dict[str, Any] = {
            column: number if column in ("amount", "balance") else f"{column} {number}" for column in spec.content
        }
        if spec.unique and self._rng.random() < 0.8:
            drawn[spec.unique] = self._login(transaction)
        elif spec.unique:
            drawn[spec.unique] = None
        return drawn

    def _login(self, transaction: Transaction) -> str | None:
        taken = {row["login"] for row in self.tables["accounts"].values()}
        for other in self._open:
            if other is not transaction:
                taken |= other.logins
        name = f"user {self._rng.randint(1, self._logins)}"
        return None if name in taken else name

    def _instant(self) -> datetime:
        """A time in one of the windows, before them or after them; now and then one at a bound."""
        (start, end) = self._rng.choices([*BOUNDS, BEFORE, AFTER], [35, 35, 15, 15])[0]
        if self._rng.random() < 0.08:
            return self._rng.choice([start, end - STEP])
        return _between(self._rng, start, end)

    def _tick(self) -> datetime:
        step = self._rng.randint(1, 5000) * STEP
        self._now = max(self._now + STEP, self.clock()) if self.clock else self._now + step
        return self._now

    def _stamps(self, spec: TableSpec, row: Row) -> dict[str, Any]:
        """What an update does to the version, and to the window column where that is the version."""
        return {spec.version: self._moved(spec, row) if spec.version == spec.window else self._version(spec)}

    def _version(self, spec: TableSpec) -> datetime | None:
        if self._rng.random() < 0.9:  # otherwise two changes bear the same version
            self._tick()
        if spec.name != "documents":
            return self._now
        drawn = self._rng.random()
        if drawn < 0.12:
            return None
        return self._now - (timedelta(milliseconds=self._rng.randint(1, 200)) if drawn < 0.3 else timedelta(0))

    def _moved(self, spec: TableSpec, row: Row) -> datetime:
        present: datetime = row[spec.window]
        if (spec.name, spec.key_of(row)) in self._left:
            if self._world.returns and self._rng.random() < 0.5:
                return _between(self._rng, *self._rng.choice(BOUNDS))
            return self._tick()
        if not in_windows(spec, row):
            return self._instant()
        if self._rng.random() < 0.3:
            return self._tick()
        first, last = BOUNDS[0][0], BOUNDS[-1][1]
        backwards = self._rng.random() < 0.15
        return _between(self._rng, first, present + STEP) if backwards else _between(self._rng, present, last)

    # Rows

    def _children(self, spec: TableSpec, row: Row) -> list[Row]:
        if spec.name != "customers":
            return []
        return [child for child in self.tables["orders"].values() if child["customer_id"] == row["customer_id"]]

    def _free(self, transaction: Transaction, spec: TableSpec, key: Key) -> bool:
        return not any((spec.name, key) in other.held for other in self._open if other is not transaction)

    def _put(self, transaction: Transaction, spec: TableSpec, before: Row | None, after: Row | None) -> Change:
        rows = self.tables[spec.name]
        has_left = before is not None and (spec.name, spec.key_of(before)) in self._left
        for row in (before, after):
            if row is not None:
                place = (spec.name, spec.key_of(row))
                transaction.undo.append((place, rows.get(place[1]), place in self._left))
                transaction.held.add(place)
                if spec.parent:
                    # Whoever deletes the parent waits for the end of what was done to its children.
                    transaction.held.add((spec.parent, (row["customer_id"],)))
                if spec.unique and row[spec.unique] is not None:
                    transaction.logins.add(row[spec.unique])
        if before is not None:
            del rows[spec.key_of(before)]
            self._left.discard((spec.name, spec.key_of(before)))
        if after is not None:
            place = (spec.name, spec.key_of(after))
            rows[place[1]] = after
            if before is not None and not in_windows(spec, after) and (has_left or in_windows(spec, before)):
                self._left.add(place)
        return Change(spec, before, after)


def _between(rng: random.Random, start: datetime, end: datetime) -> datetime:
    """A time of the half-open stretch; its start where it is empty."""
    span = (end - start) // STEP
    return start + rng.randrange(max(1, span)) * STEP


def _told(row: Row | None) -> str:
    return ", ".join(f"{column} {value}" for column, value in (row or {}).items())
