"""Compares both sides at the end of a confirm: the window, and what changed during the reload.

CDC may have moved a row of this reload to another key, and new rows may have come into the window meanwhile. No list of
keys has such rows. The comparison finds them among the rows of the window, and among the rows whose window or version
column lies in the time of the reload. The passes of the confirm then judge what differs, like every other key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from psycopg import Connection, DataError, IntegrityError, sql

from reload_assets.compare.segments import Slice
from reload_assets.confirm.pieces import CarriedPieces, DifferencePieces, RangePieces
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.errors import SourceUnavailable
from reload_assets.postgres.catalog import leading_columns
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadColumn
from reload_assets.windows import Window

if TYPE_CHECKING:
    from reload_assets.compare.differences import Differences
    from reload_assets.source.reader import SourceReader

# The clocks of source and target may differ, and a transaction may set a row's version well before it commits.
_MARGIN = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
# A table of up to this size can be scanned within about a minute.
_MOST_BYTES = 16 << 30


@dataclass(frozen=True)
class TakenUp:
    """A reload whose rows this confirm covers: what it loaded, and when its merge began. Instants are UTC.

    A reload of keys has no window. ``merge_started_xid`` is the number of the oldest transaction that was running when
    the merge began.
    """

    reload_id: int
    opened_at: datetime
    load_start: datetime | None
    window_end: datetime | None
    merge_started_xid: int | None
    merge_started_at: datetime | None


@dataclass(frozen=True)
class Touched:
    """What the reloads of this confirm have touched together: ``windows``, and the earliest start."""

    windows: Sequence[Window]
    since: datetime
    xid: int | None
    merging_since: datetime | None

    @classmethod
    def by(cls, reloads: Sequence[TakenUp]) -> Touched:
        """Combine what several reloads have touched."""
        return cls(
            [Window(one.load_start, one.window_end) for one in reloads if one.load_start and one.window_end],
            min(one.opened_at for one in reloads),
            min((one.merge_started_xid for one in reloads if one.merge_started_xid is not None), default=None),
            min((one.merge_started_at for one in reloads if one.merge_started_at is not None), default=None),
        )


class Comparison:
    """Compares the tables of a confirm. ``reader`` is None without a source connection.

    Without a reader, rows rewritten in production since the merge are read again. Rows that production lacks are then
    not found.
    """

    def __init__(
        self, all_statements: Sequence[ConfirmStatements], touched: Touched, zone: ZoneInfo, reader: SourceReader | None
    ) -> None:
        self._all_statements, self._touched, self._zone, self._reader = all_statements, touched, zone, reader
        self._gaps: dict[str, None] = {}
        self._unfit: dict[str, set[str]] = {}
        self._keyless: dict[str, int] = {}

    @property
    def gaps(self) -> list[str]:
        """What could not be compared, and why: clauses of the result's sentence."""
        return list(self._gaps)

    @property
    def open_ends(self) -> list[str]:
        """The reasons why the reload cannot count as confirmed: clauses of the result's sentence."""
        keyless = [
            f"{rows} rows of {table} have NULL in a column of the key, so that no row of the source is theirs; delete "
            "them there, or give them their keys"
            for table, rows in self._keyless.items()
        ]
        return keyless + [
            f"{len(keys)} rows of the source cannot be in {table} by the type of its key "
            f"({'; '.join(sorted(keys)[:3])}, for example); widen it"
            for table, keys in self._unfit.items()
        ]

    def collect(self, connection: Connection[Any], now: datetime, vanished: Mapping[str, int]) -> int:
        """Add the keys of rows that differ to the confirm's keys. Returns how many are new. ``now`` is UTC.

        ``vanished`` counts the rows of this reload that vanished before they were read, by their table of keys.
        Raises SourceUnavailable and psycopg's errors.
        """
        if self._reader is None:
            self._gaps["without a source connection nobody looked for rows that production lacks"] = None
        return sum(
            self._collect(connection, statements, now, vanished.get(statements.keys, 0))
            for statements in self._all_statements
        )

    def _collect(self, connection: Connection[Any], statements: ConfirmStatements, now: datetime, vanished: int) -> int:
        slices = self._slices(connection, statements, now)
        self._unfit.pop(statements.merge.table.target, None)
        self._keyless.pop(statements.merge.table.target, None)
        # The temporary tables live as long as this transaction.
        with connection.transaction():
            differences = self._differences(connection, statements)
            new = 0
            if differences is not None and differences.find(slices):
                new += self._take(connection, statements, differences, None)
            if differences is None or differences.compared.left_out:
                new += sum(self._collect_rewritten(connection, statements, one) for one in slices)
            if vanished:
                new += self._collect_carried(connection, statements, slices, vanished)
                statements.run(connection, "8_compare:own_found")
                statements.run(connection, "8_compare:own_rewritten", since_xid=self._touched.xid or 0)
            return new

    def _take(
        self,
        connection: Connection[Any],
        statements: ConfirmStatements,
        differences: Differences,
        found: list[tuple[str, str | None]] | None,
    ) -> int:
        """Add found keys, given by place and text (None: all), except those that production's types cannot hold.

        A text of None is a key that holds NULL. It is left out, too.
        """
        chosen: sql.Composable = sql.SQL("true")
        if found is not None:
            places = [place for place, _ in found]
            chosen = sql.SQL("f.ctid = any(CAST({} AS tid []))").format(sql.Literal(places))
        pieces = DifferencePieces(f_key=differences.text_keys, f_key_typed=differences.typed_keys, f_is_chosen=chosen)
        try:
            with connection.transaction():
                return statements.run(connection, "8_compare:collect_differences", pieces).rowcount
        except (DataError, IntegrityError):
            if found is None:
                found = statements.run(connection, "8_compare:list_differences", pieces).fetchall()
            target = statements.merge.table.target
            if keyless := sum(key is None for _, key in found):
                self._keyless[target] = keyless
                return self._take(connection, statements, differences, [one for one in found if one[1] is not None])
            if len(found) == 1:
                self._unfit.setdefault(target, set()).add(str(found[0][1]))
                return 0
            half = len(found) // 2
            halves = (found[:half], found[half:])
            return sum(self._take(connection, statements, differences, one) for one in halves)

    def _differences(self, connection: Connection[Any], statements: ConfirmStatements) -> Differences | None:
        if self._reader is None:
            return None
        # Imported here because it imports SQLAlchemy, which a process without a source does not need.
        from reload_assets.compare.differences import Differences

        try:
            return Differences(connection, statements.merge.table, self._reader)
        except SourceUnavailable as error:
            why = f"{error.sentence.rstrip('.')} [{error.code}]"
            self._gaps[f"rows of {statements.merge.table.name} could not be compared: {why}"] = None
            return None

    def _collect_rewritten(self, connection: Connection[Any], statements: ConfirmStatements, one: Slice) -> int:
        return statements.run(
            connection,
            "8_compare:collect_rewritten",
            RangePieces(range_column=one.column.name),
            range_start=one.bounds[0],
            range_end=one.bounds[1],
            since_xid=self._touched.xid or 0,
        ).rowcount

    def _collect_carried(
        self, connection: Connection[Any], statements: ConfirmStatements, slices: Sequence[Slice], vanished: int
    ) -> int:
        """Add the keys to which CDC may have moved rows of this reload, in any window."""
        production = statements.merge.table.production
        place = {"schema": production.schema, "table": production.name}
        row = run(connection, "confirm/8_compare:get_size", **place).fetchone()
        assert row is not None
        if row[0] > _MOST_BYTES or self._touched.xid is None:
            why = "the beginning of the merge is not known" if self._touched.xid is None else f"it has {row[0]:,} bytes"
            gone = (
                f"{vanished} rows of {statements.merge.table.target} that this reload wrote were gone "
                "before they were read"
            )
            self._gaps[f"{gone}, and nobody looked for them under other keys outside of the window: {why}"] = None
            return 0
        compared = sql.SQL(" OR ").join(
            sql.SQL("({0} >= {1} AND {0} < {2})").format(
                sql.Identifier("p", one.column.name), *(sql.Literal(bound) for bound in one.bounds)
            )
            for one in slices
        )
        return statements.run(
            connection,
            "8_compare:collect_carried",
            CarriedPieces(p_is_compared=compared),
            since_xid=self._touched.xid,
        ).rowcount

    def _slices(self, connection: Connection[Any], statements: ConfirmStatements, now: datetime) -> list[Slice]:
        table = statements.merge.table
        meanwhile = self._meanwhile(now).in_zone(self._zone)
        windows = [window.in_zone(self._zone) for window in self._touched.windows]
        slices = [Slice(table.window, bounds) for bounds in _joined([*windows, meanwhile])]
        if table.version.name == table.window.name:
            return slices
        why_not = self._why_not_by_version(connection, statements, table.version)
        if why_not is None:
            return [*slices, Slice(table.version, meanwhile)]
        self._gaps[f"rows of {table.name} outside the window that changed meanwhile were not compared: {why_not}"] = (
            None
        )
        return slices

    def _meanwhile(self, now: datetime) -> Window:
        """Return the time of the reload.

        It begins an hour earlier if the clock was set back during the reload: that hour occurs twice.
        """
        start = self._touched.since - _MARGIN
        before, after = ((start - _HOUR).astimezone(self._zone), now.astimezone(self._zone))
        if _offset(before) > _offset(after):
            start -= _HOUR
        return Window(start, now + _MARGIN)

    @staticmethod
    def _why_not_by_version(
        connection: Connection[Any], statements: ConfirmStatements, version: ReloadColumn
    ) -> str | None:
        """Return why rows cannot be found by a range of their version; None if they can."""
        place, production = statements.merge.table.target, statements.merge.table.production
        declared = version.target.type
        if not declared.startswith("timestamp") or declared.endswith("with time zone"):
            return f"the version column {version.name} of {place} is {declared}"
        if version.name not in leading_columns(connection, production.schema, production.name):
            return f"{place} has no index on the version column {version.name}"
        return None


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _joined(bounds: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return the ranges in order, with overlapping ones joined."""
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(bounds):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined
