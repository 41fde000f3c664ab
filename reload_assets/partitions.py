"""Partition keys, and what each family of assets means by them: a cadence's window, an ad-hoc one, a list of keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from dagster import AssetKey, DynamicPartitionsDefinition, PartitionsDefinition, TimeWindowPartitionsDefinition

from reload_assets.cadence import torn
from reload_assets.config.model import ReloadConfig, WindowsConfig
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.windows import PartitionKeyInvalid
from reload_assets.labels import labels
from reload_assets.windows import Window, parse_window_key

_CRON = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0", "monthly": "0 0 1 * *"}
_REQUEST = "request-"
_DAY_KEY = "%Y-%m-%d"
_MINUTE_KEY = "%Y-%m-%d-%H:%M"


def cadence_partitions(windows: WindowsConfig, file: str) -> TimeWindowPartitionsDefinition:
    """Return the cadence's windows as Dagster partitions, in the zone of the windows.

    A key is the local time at which its window begins; where the clock shows that twice, the second one has its offset
    from UTC at the end. Raises ConfigError for an unknown cadence, and for one that leaves time out where the clock
    changes.
    """
    try:
        partitions = TimeWindowPartitionsDefinition(
            # Dagster puts it into the zone below. Of two equal times, it keeps which one it is.
            start=windows.first.astimezone(windows.zone).replace(tzinfo=None),
            fmt=_DAY_KEY if windows.cadence in ("daily", "weekly", "monthly") else _MINUTE_KEY,
            cron_schedule=_CRON.get(windows.cadence, windows.cadence),
            timezone=windows.time_zone,
        )
        # Fails too, for a day that no month has.
        where = torn(partitions)
    except Exception:
        # Dagster's own error for a bad cron string is a chain of parser errors, which a user cannot read.
        raise ConfigValue(
            f"{file}: windows.cadence",
            f"{windows.cadence!r} is not a cadence; write hourly, daily, weekly, monthly or a cron expression such as "
            "'0 */6 * * *'",
        ) from None
    if where is not None:
        raise ConfigValue(
            f"{file}: windows.cadence",
            f"{windows.cadence!r} in {windows.time_zone} does not tile the time where the clock changes: windows "
            f"end and begin at {where}, which do not meet; write another cadence or a later windows.first, or cut the "
            "time in UTC (windows.time_zone: UTC)",
        )
    return partitions


@dataclass(frozen=True)
class Family:
    """The assets of one group over one kind of selection: the cadence's windows, ad-hoc windows, or lists of keys.

    ``labels`` says what Dagster calls the group's tables.
    """

    group: str
    kind: Literal["cadence", "adhoc", "keys"]
    name: str
    partitions: PartitionsDefinition[str]
    labels: Mapping[str, str]

    @property
    def asset_group(self) -> str:
        """The asset group in which the UI shows the family's assets."""
        return self.group if self.kind == "cadence" else f"{self.group}_{self.kind}"

    def key(self, stage: str, table: str) -> AssetKey:
        """Return the key of a table's asset, for example ``staging/orders`` or ``keys/staging/orders``."""
        return AssetKey([*([] if self.kind == "cadence" else [self.kind]), stage, self.labels[table]])

    def source_key(self, table: str) -> AssetKey:
        """Return the key of a source table's asset, which all families share: ``oracle/orders``."""
        return AssetKey(["oracle", self.labels[table]])

    def tables(self, keys: Iterable[AssetKey]) -> set[str]:
        """Return the tables that some of the family's assets are for."""
        names = {label: name for name, label in self.labels.items()}
        return {names[key.path[-1]] for key in keys}

    def step(self, what: str, table: str) -> str:
        """Return the name of a step that is for one table, which no other step of the code location has."""
        return f"{'' if self.kind == 'cadence' else f'{self.kind}_'}{what}_{self.labels[table]}"

    def selected_window(self, partition_key: str) -> Window | None:
        """Return the window that a partition key names; None for a list of keys. Raises WindowError for other texts."""
        if self.kind == "keys":
            request_of(partition_key)
            return None
        return self.window(partition_key)

    def window(self, partition_key: str) -> Window:
        """Return the window that a partition key names, in a family of windows. Raises WindowError for other texts."""
        if isinstance(self.partitions, TimeWindowPartitionsDefinition):
            return cadence_window(self.partitions, partition_key)
        return parse_window_key(partition_key)


def keys_partition(request_id: int) -> str:
    """Return the partition of the keys that a request asks for."""
    return f"{_REQUEST}{request_id}"


def request_of(partition_key: str) -> int:
    """Return the request whose keys a partition is for. Raises PartitionKeyInvalid for a key that names none."""
    number = partition_key.removeprefix(_REQUEST)
    if number == partition_key or not (number.isascii() and number.isdecimal()):
        fix = (
            f"insert a row with keys into admin.reload_requests, and pick the partition of its id, such as {_REQUEST}17"
        )
        raise PartitionKeyInvalid(partition_key, "", fix)
    return int(number)


def cadence_window(partitions: TimeWindowPartitionsDefinition, partition_key: str) -> Window:
    """Return the window of one of the cadence's keys. Raises WindowError for any other text."""
    try:
        found = partitions.time_window_for_partition_key(partition_key)
        window = Window(_utc(found.start), _utc(found.end))
    except Exception:
        window = None
    if window is None or cadence_key(partitions, window) != partition_key:
        first = partitions.get_first_partition_key()
        offered = f"such as {first!r}" if first else "once the first one has ended"
        fix = f"pick one of the cadence's windows that the UI offers, {offered}"
        raise PartitionKeyInvalid(partition_key, "", fix)
    return window


def cadence_key(partitions: TimeWindowPartitionsDefinition, window: Window) -> str | None:
    """Return the cadence's key for exactly this window; None if it is not one of the cadence's windows."""
    if window.start < partitions.start:
        return None
    key = partitions.get_partition_key_for_timestamp(window.start.timestamp())
    found = partitions.time_window_for_partition_key(key)
    return key if (_utc(found.start), _utc(found.end)) == (window.start, window.end) else None


def cadence_keys_ending_in(partitions: TimeWindowPartitionsDefinition, day: Window) -> list[str]:
    """Return the keys of the cadence's windows that end within ``(day.start, day.end]``."""
    latest_first = reversed(partitions.get_partition_keys(current_time=day.end))
    found = takewhile(lambda key: day.start < cadence_window(partitions, key).end, latest_first)
    return [*found][::-1]


def yesterday(now: datetime, zone: ZoneInfo) -> Window:
    """Return the day of the zone before the one that ``now`` is in; it has 23 or 25 hours where the clock changes."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # A local difference: to the midnight before, however many hours ago that was.
    return Window(_utc(midnight - timedelta(days=1)), _utc(midnight))


def families(config: ReloadConfig, group: str) -> list[Family]:
    """Return the families of a group: over the cadence's windows, over ad-hoc windows, and over lists of keys."""
    known = labels(name for one in config.groups.values() for name in one.tables)
    own = {name: known[name] for name in config.groups[group].tables}
    return [
        Family(group, "cadence", group, cadence_partitions(config.windows, config.file), own),
        Family(group, "adhoc", f"window_{group}", DynamicPartitionsDefinition(name=adhoc_partitions_name(group)), own),
        Family(group, "keys", f"keys_{group}", DynamicPartitionsDefinition(name=f"{group}_keys"), own),
    ]


def adhoc_partitions_name(group: str) -> str:
    """Return the name of the dynamic partitions that hold a group's ad-hoc windows."""
    return f"{group}_windows"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
