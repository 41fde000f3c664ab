"""Partition keys and the windows that they name, for both families of assets: the cadence's windows and ad-hoc ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from dagster import AssetKey, DynamicPartitionsDefinition, PartitionsDefinition, TimeWindowPartitionsDefinition

from reload_assets.config.model import ReloadConfig, WindowsConfig
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.windows import PartitionKeyInvalid
from reload_assets.labels import labels
from reload_assets.windows import Window, parse_window_key

_CRON = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0", "monthly": "0 0 1 * *"}
_DAY_KEY = "%Y-%m-%d"
_MINUTE_KEY = "%Y-%m-%d-%H:%M"


def cadence_partitions(windows: WindowsConfig, file: str) -> TimeWindowPartitionsDefinition:
    """Return the cadence's windows as Dagster partitions, in UTC. Raises ConfigError for an unknown cadence."""
    try:
        return TimeWindowPartitionsDefinition(
            start=windows.first.replace(tzinfo=None),
            fmt=_DAY_KEY if windows.cadence in ("daily", "weekly", "monthly") else _MINUTE_KEY,
            cron_schedule=_CRON.get(windows.cadence, windows.cadence),
            timezone="UTC",
        )
    except Exception:
        # Dagster's own error for a bad cron string is a chain of parser errors, which a user cannot read.
        raise ConfigValue(
            f"{file}: windows.cadence",
            f"{windows.cadence!r} is not a cadence; write hourly, daily, weekly, monthly or a cron expression such as "
            "'0 */6 * * *'",
        ) from None


@dataclass(frozen=True)
class Family:
    """The assets of one group over one kind of windows: the cadence's, or ad-hoc ones.

    ``labels`` says what Dagster calls the group's tables.
    """

    group: str
    prefix: tuple[str, ...]
    name: str
    partitions: PartitionsDefinition[str]
    adhoc: bool
    labels: Mapping[str, str]

    @property
    def asset_group(self) -> str:
        """The asset group in which the UI shows the family's assets."""
        return f"{self.group}_adhoc" if self.adhoc else self.group

    def key(self, stage: str, table: str) -> AssetKey:
        """Return the key of a table's asset, for example ``staging/orders`` or ``adhoc/staging/orders``."""
        return AssetKey([*self.prefix, stage, self.labels[table]])

    def source_key(self, table: str) -> AssetKey:
        """Return the key of a source table's asset, which both families share: ``oracle/orders``."""
        return AssetKey(["oracle", self.labels[table]])

    def tables(self, keys: Iterable[AssetKey]) -> set[str]:
        """Return the tables that some of the family's assets are for."""
        names = {label: name for name, label in self.labels.items()}
        return {names[key.path[-1]] for key in keys}

    def step(self, what: str, table: str) -> str:
        """Return the name of a step that is for one table, which no other step of the code location has."""
        return f"{'adhoc_' if self.adhoc else ''}{what}_{self.labels[table]}"

    def window(self, partition_key: str) -> Window:
        """Return the window that a partition key names. Raises WindowError for a key that names none."""
        if isinstance(self.partitions, TimeWindowPartitionsDefinition):
            return cadence_window(self.partitions, partition_key)
        return parse_window_key(partition_key)


def cadence_window(partitions: TimeWindowPartitionsDefinition, partition_key: str) -> Window:
    """Return the window of one of the cadence's keys. Raises WindowError for any other text."""
    try:
        found = partitions.time_window_for_partition_key(partition_key)
        window = Window(_utc(found.start), _utc(found.end))
    except Exception:
        window = None
    if window is None or cadence_key(partitions, window) != partition_key:
        first = partitions.get_first_partition_key()
        fix = f"pick one of the cadence's windows that the UI offers, such as {first!r}"
        raise PartitionKeyInvalid(partition_key, "", fix)
    return window


def cadence_key(partitions: TimeWindowPartitionsDefinition, window: Window) -> str | None:
    """Return the cadence's key for exactly this window; None if it is not one of the cadence's windows."""
    key = window.start.strftime(partitions.fmt)
    try:
        found = partitions.time_window_for_partition_key(key)
    except Exception:
        return None
    same = _utc(found.start) == window.start and _utc(found.end) == window.end
    return key if same and window.start >= _utc(partitions.start) else None


def cadence_keys_ending_in(partitions: TimeWindowPartitionsDefinition, day: Window) -> list[str]:
    """Return the keys of the cadence's windows that end within ``(day.start, day.end]``."""
    keys = partitions.get_partition_keys(current_time=day.end)
    return [key for key in keys if day.start < cadence_window(partitions, key).end <= day.end]


def yesterday(now: datetime) -> Window:
    """Return the UTC day before the one that ``now`` is in."""
    midnight = now.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(midnight - timedelta(days=1), midnight)


def families(config: ReloadConfig, group: str) -> list[Family]:
    """Return both families of a group: over the cadence's windows, and over ad-hoc windows."""
    known = labels(name for one in config.groups.values() for name in one.tables)
    own = {name: known[name] for name in config.groups[group].tables}
    return [
        Family(group, (), group, cadence_partitions(config.windows, config.file), adhoc=False, labels=own),
        Family(
            group,
            ("adhoc",),
            f"window_{group}",
            DynamicPartitionsDefinition(name=adhoc_partitions_name(group)),
            adhoc=True,
            labels=own,
        ),
    ]


def adhoc_partitions_name(group: str) -> str:
    """Return the name of the dynamic partitions that hold a group's ad-hoc windows."""
    return f"{group}_windows"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
