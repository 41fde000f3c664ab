"""The finder of what CDC skipped: it goes through the CDC tasks of all groups, and remembers how far it has read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any

from psycopg import Connection
from psycopg.errors import UndefinedTable

from reload_assets.cdc.position import Cdc
from reload_assets.errors import CdcNotReady, DmsError
from reload_assets.errors.reloads import LedgerMissing
from reload_assets.finders.finding import Finding
from reload_assets.finders.requesting import Asked
from reload_assets.finders.skipped import FedTable, SkippedReader, WindowsFrom
from reload_assets.finders.suspended import find_suspended
from reload_assets.postgres.connection import TargetDatabase


@dataclass
class SkippedTick:
    """What a tick asked for, how far it has read, and what it could not look at, as sentences.

    ``has_more``: only the next tick can read on.
    """

    asked: list[Asked] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    cursor: str = ""
    has_more: bool = False


@dataclass(frozen=True)
class SkippedFinder:
    """Looks at CDC tasks, each with the tables that it feeds. ``ask`` makes requests of findings."""

    target: TargetDatabase
    tasks: Sequence[tuple[Cdc, Sequence[FedTable]]]
    windows_from: WindowsFrom
    ask: Callable[[Sequence[Finding]], Asked]

    def tick(self, cursor: str | None) -> SkippedTick:
        """Read on from where an earlier tick has read to. Without a cursor, all that DMS has kept is read.

        Raises LedgerMissing, and psycopg's errors.
        """
        tick = SkippedTick()
        read: dict[str, str] = json.loads(cursor) if cursor else {}
        with self.target.connect(autocommit=True) as connection:
            for cdc, tables in self.tasks:
                for look in (partial(self._statements, read=read, tick=tick), self._tables):
                    try:
                        findings = look(connection, cdc, tables)
                    except (CdcNotReady, DmsError) as error:
                        tick.left.append(str(error))
                        continue
                    except UndefinedTable:
                        raise LedgerMissing(str(self.target)) from None
                    if findings:
                        tick.asked.append(self.ask(findings))
        tick.cursor = json.dumps(read)
        return tick

    def _statements(
        self, connection: Connection[Any], cdc: Cdc, tables: Sequence[FedTable], read: dict[str, str], tick: SkippedTick
    ) -> list[Finding]:
        since = read.get(cdc.task.arn)
        reader = SkippedReader(cdc, tables, self.windows_from)
        page = reader.page(connection, None if since is None else datetime.fromisoformat(since))
        read[cdc.task.arn] = page.since.isoformat()
        tick.has_more |= page.has_more
        return page.findings

    def _tables(self, connection: Connection[Any], cdc: Cdc, tables: Sequence[FedTable]) -> list[Finding]:
        return list(find_suspended(cdc, connection, tables, self.windows_from, datetime.now(timezone.utc)))
