"""The records of the ledger: reloads, their staged tables, and the results of checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from reload_assets.tables import ReloadTable
from reload_assets.windows import Window

TAG_PREFIX = "reload_assets:"
RUN_TAG = f"{TAG_PREFIX}run_id"
VALIDATES_TAG = f"{TAG_PREFIX}validates"
"""Of a task that belongs to a run and to no reload: the group that it validates."""
# PostgreSQL cuts names after 63 bytes.
_LONGEST_STAGING_NAME = 63 - len("_again")

Key = tuple[str, ...]
"""The values of a row's key as text, in the order of the key's columns."""
Bounds = tuple[datetime, datetime]
"""The half-open bounds of a window, as wall-clock values in the source's time zone."""


@dataclass(frozen=True)
class Reload:
    """A reload: one selection of one table group, one attempt. Instants are UTC.

    The selection is a window, or a list of keys: then there are no instants.
    """

    reload_id: int
    group_name: str
    window_start: datetime | None
    window_end: datetime | None
    load_start: datetime | None
    partition_key: str
    tables: list[str]
    status: str
    started_by: str
    run_id: str
    task_identifier: str | None
    task_arn: str | None
    opened_at: datetime
    merge_started_at: datetime | None
    error: str | None
    source_read_until: datetime | None
    cdc_task_arn: str | None
    cdc_status: str | None
    cdc_lag_seconds: float | None
    cdc_remarks: list[str]
    confirm_status: str
    confirm_passes: int
    confirm_corrections: int
    confirm_waited_seconds: float
    confirm_detail: str | None
    columns: dict[str, list[str]] | None = None
    """The columns of production that the reload is limited to, by table; None stands for whole rows."""

    @property
    def window(self) -> Window | None:
        """The window the user asked for; None if the reload selects keys."""
        return _window(self.window_start, self.window_end)

    @property
    def loaded_window(self) -> Window | None:
        """The window with the margin for late commits, which is loaded, verified and merged; None for keys."""
        return _window(self.load_start, self.window_end)

    @property
    def selected(self) -> str:
        """The selection as one text, which no other selection of the group has."""
        return self.window.key if self.window else f"keys of {self.partition_key}"

    def bounds(self, zone: ZoneInfo) -> Bounds | None:
        """Return the bounds of the loaded window in the source's ``zone``; None for keys. Raises WindowError."""
        return self.loaded_window.in_zone(zone) if self.loaded_window else None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the reload's DMS tasks, by which they can be found no matter which process dies."""
        return {
            f"{TAG_PREFIX}reload_id": str(self.reload_id),
            RUN_TAG: self.run_id,
            **({f"{TAG_PREFIX}window": self.window.key} if self.window else {f"{TAG_PREFIX}keys": self.partition_key}),
            f"{TAG_PREFIX}group": self.group_name,
        }

    @property
    def title(self) -> str:
        """The name of the reload in messages."""
        return f"reload {self.reload_id} of {self.group_name} {self.partition_key}"


@dataclass(frozen=True)
class StagedTable:
    """One table of a reload. All counts are in rows."""

    table_name: str
    staging_schema: str
    staging_table: str
    staging_oid: int
    staging_dropped_at: datetime | None
    source_rows_before: int | None
    source_rows_after: int | None
    dms_rows: int | None
    trimmed_rows: int
    staged_rows: int
    conversions: dict[str, dict[str, Any]]
    """By converted column: how many values were changed or did not fit, and PostgreSQL's refusal if there was one."""
    inserted: int
    updated: int
    repaired: int
    identical: int
    refused: int
    unversioned: int
    skipped: int
    merged_through: list[str] | None
    merge_chunks: int
    merge_ended_at: datetime | None
    confirm_keys: int
    confirm_inserted: int
    confirm_updated: int
    confirm_deleted: int
    orphans: int


@dataclass(frozen=True)
class CheckResult:
    """One line of a reload's verdict."""

    table_name: str
    check_name: str
    status: str
    blocking: bool
    detail: str


@dataclass(frozen=True)
class Opening:
    """The values with which a reload is opened: for a window, or for ``keys`` by table (as people write them).

    ``columns`` by table limit it to these; without any it is for whole rows.
    """

    group: str
    window: Window | None
    loaded_window: Window | None
    partition_key: str
    started_by: str
    reason: str
    run_id: str
    request_id: int | None
    keys: Mapping[str, Sequence[Key]] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def selected(self) -> str:
        """What is selected, for messages."""
        limit = f" (only {listed_columns(self.columns)})" if self.columns else ""
        if self.window is not None:
            return f"window {self.window}{limit}"
        return ", ".join(f"{len(keys)} keys of {table}" for table, keys in self.keys.items()) + limit


def listed_columns(columns: Mapping[str, Sequence[str]]) -> str:
    """Return the columns to which a reload is limited, as messages write them: ``note, amount of orders``."""
    return "; ".join(f"{', '.join(names)} of {table}" for table, names in columns.items())


def _window(start: datetime | None, end: datetime | None) -> Window | None:
    return None if start is None or end is None else Window(start, end)


def staging_name(table: ReloadTable, reload_id: int) -> str:
    """Return the name of a reload's staging table, which no other table of the reload has.

    It has nothing that means something in a rule of DMS, and fits PostgreSQL with a few letters more (``again_name``).
    """
    suffix = f"_r{reload_id}"
    room = _LONGEST_STAGING_NAME - len(suffix)
    plain = re.sub(r"[^a-z0-9_]", "_", table.name.lower())
    if plain != table.name or len(plain) > room:
        digest = hashlib.sha256(table.name.encode()).hexdigest()[:8]
        plain = f"{plain[: room - len(digest) - 1]}_{digest}"
    return plain + suffix
