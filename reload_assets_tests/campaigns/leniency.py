"""Excuses rows that are not a fault of a reload: a policy leaves them as they were, or they came after its end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reload_assets_tests.campaigns.model import Change
from reload_assets_tests.campaigns.schema import BOUNDS, Key, Place, Row, Tables, TableSpec, World


@dataclass
class Compared:
    """When (``time.time()``) rows were last compared with the source.

    ``windows``: by the table's name and the window's number. ``keys``: the keys of the lists that were confirmed.
    """

    windows: dict[tuple[str, int], float] = field(default_factory=dict)
    keys: dict[Place, float] = field(default_factory=dict)

    def note_key(self, place: Place, at: float) -> None:
        """Note that a key was compared; lists may end in another order than that of their comparisons."""
        self.keys[place] = max(at, self.keys.get(place, at))

    def at(self, place: Place, window: int | None) -> float | None:
        """When a row of a window was last compared, by either; None if it never was."""
        found = [self.keys.get(place), None if window is None else self.windows.get((place[0], window))]
        return max((at for at in found if at is not None), default=None)


@dataclass(frozen=True)
class ReloadedKeys:
    """A confirmed reload of keys. ``compared`` says when (``time.time()``) its confirm last compared a table."""

    reload_id: int
    keys: Mapping[str, Collection[Key]]
    compared: Mapping[str, float]


@dataclass(frozen=True)
class Leniency:
    """The rows that are excused, if no column of them is worse than without any reload (the shadow's).

    ``left_alone`` are rows whose difference a policy leaves; with ``orphans_stay`` so are all that the source lacks.
    ``late`` are rows that the source has changed after the last comparison, with the row as the comparison found it in
    the window (None where it was not there): what of it has changed since then is the next reload's. ``marks_stay``:
    a row that is marked as deleted keeps its key from a row that comes then; no row is worse than a wrong one.
    """

    left_alone: Collection[Place] = ()
    orphans_stay: bool = False
    marks_stay: bool = False
    late: Mapping[Place, Row | None] = field(default_factory=dict)

    def excuses(self, place: Place, wanted: Row | None, found: Row | None) -> bool:
        """Whether a wrong row that is no worse than the shadow's is excused."""
        if wanted is None and self.orphans_stay:
            return True
        if found is not None and wanted is not None and place in self.left_alone:
            return True
        if place not in self.late:
            return False
        then = self.late[place]
        if then is None or wanted is None:
            return True
        return found is not None and all(
            then[column] != value for column, value in wanted.items() if found[column] != value
        )


STRICT = Leniency()


def leniency(
    world: World,
    damaged: Iterable[Place],
    changes: Sequence[tuple[float, Change]],
    compared: Compared,
    source: Tables,
    production: Tables,
) -> Leniency:
    """What a run's reloads are excused from; ``changes`` of the source in their order, with their instants."""
    left_alone: set[Place] = set()
    if world.equal_version == "skip" or world.null_version == "report":
        left_alone = _followed(damaged, changes)
        if world.equal_version == "repair":
            # Only their versions can be NULL.
            left_alone = {place for place in left_alone if place[0] == "documents"}
    late = _late(world, changes, compared, source, production)
    return Leniency(left_alone, world.orphans == "report", world.orphans == "soft_delete", late)


def unreported(
    world: World,
    changes: Sequence[tuple[float, Change]],
    compared: Compared,
    source: Tables,
    production: Tables,
    reported: Mapping[tuple[str, int], int],
) -> list[str]:
    """Where more rows of a window are left that the source lacks than its last confirmed reload has reported.

    ``reported`` are the ledger's counts by table and the window's number. Rows of keys that the source has changed
    since the comparison are not counted.
    """
    since = {
        (change.spec.name, change.spec.key_of(row))
        for at, change in changes
        for row in (change.before, change.after)
        if row and at > min(compared.windows.get((change.spec.name, number), 0.0) for number in range(len(BOUNDS)))
    }
    found = []
    for (table, number), count in reported.items():
        spec = world.specs[table]
        left = [
            key
            for key, row in production[table].items()
            if key not in source[table] and (table, key) not in since and _window(spec, row) == number
        ]
        if len(left) > count:
            found.append(
                f"{len(left)} rows of {table} in window {number} are no longer in the source, {count} reported"
            )
    return found


def unreported_lists(
    changes: Sequence[tuple[float, Change]],
    lists: Iterable[ReloadedKeys],
    source: Tables,
    production: Tables,
    reported: Mapping[tuple[int, str], int],
) -> list[str]:
    """Where more rows of a list are left that the source lacks than its reload has reported.

    ``reported`` are the ledger's counts by reload and table. Keys that the source has changed since the comparison are
    not counted.
    """
    touched = [
        (at, (change.spec.name, change.spec.key_of(row)))
        for at, change in changes
        for row in (change.before, change.after)
        if row
    ]
    found = []
    for one in lists:
        for table, keys in one.keys.items():
            since = {place for at, place in touched if at > one.compared[table]}
            left = [
                key
                for key in keys
                if key in production[table] and key not in source[table] and (table, key) not in since
            ]
            if len(left) > (count := reported[one.reload_id, table]):
                found.append(
                    f"{len(left)} listed rows of {table} are no longer in the source, {count} reported by reload "
                    f"{one.reload_id}"
                )
    return found


def _followed(places: Iterable[Place], changes: Sequence[tuple[float, Change]]) -> set[Place]:
    """The places and all to which a change of the key may have carried their rows."""
    found = set(places)
    for _, change in changes:
        touched = {(change.spec.name, change.spec.key_of(row)) for row in (change.before, change.after) if row}
        if touched & found:
            found |= touched
    return found


def _late(
    world: World,
    changes: Sequence[tuple[float, Change]],
    compared: Compared,
    source: Tables,
    production: Tables,
) -> dict[Place, Row | None]:
    found: dict[Place, Row | None] = {}
    for at, change in changes:
        spec = world.specs[change.spec.name]
        for row in (change.before, change.after):
            if row is None:
                continue
            place = (spec.name, spec.key_of(row))
            window = _window(spec, source[spec.name].get(place[1]))
            if window is None:
                # A row of production that was left alone may keep one of another window from coming in.
                window = _window(spec, production[spec.name].get(place[1]))
            compared_at = compared.at(place, window)
            if compared_at is None or at <= compared_at:
                continue
            # Of a list a row is compared wherever it lies.
            was_compared = row is change.before and (place in compared.keys or _window(spec, row) == window)
            is_new = row is change.after and (change.before is None or spec.key_of(change.before) != place[1])
            if is_new:
                found[place] = None
            elif place not in found:
                found[place] = row if was_compared else None
    return found


def _window(spec: TableSpec, row: Row | None) -> int | None:
    if row is None:
        return None
    at = row[spec.window]
    return next((number for number, (start, end) in enumerate(BOUNDS) if start <= at < end), None)
