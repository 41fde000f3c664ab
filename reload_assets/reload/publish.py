"""Brings a verified reload from staging into production: wait for CDC, fence, merge, confirm.

``docs/correctness.md`` argues why these steps are needed, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import Connection

from reload_assets.cdc.fence import Fence
from reload_assets.cdc.obstacles import find_obstacles
from reload_assets.confirm import Confirmed, Confirmer
from reload_assets.confirm.reread import Key, ReaderRows, RowsByTable, SourceRows, Wanted
from reload_assets.confirm.reread_by_dms import LoadedRows
from reload_assets.errors import ReloadError
from reload_assets.ledger.records import Reload
from reload_assets.merge import MergeResult, Patience, merge_reload
from reload_assets.reload.failures import describe
from reload_assets.reload.parts import beside_cdc
from reload_assets.reload.steps import Steps
from reload_assets.resolved import require_unchanged_source
from reload_assets.source_texts import readable
from reload_assets.tables import ReloadTable

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Publication(Steps):
    """The steps that bring verified staged rows into production."""

    def merge(self, reload: Reload, tables: Sequence[ReloadTable]) -> MergeResult:
        """Merge a verified reload, parents first. Raises CdcNotReady, and what ``merge_reload`` raises.

        The merge waits until CDC has passed the load. So merged rows are never ahead of CDC. They may be behind it; the
        versions and the confirm take care of that.
        """
        fence = self._fence(reload)
        with self._source_rows(reload, tables) as source:
            if self.cdc is not None and reload.source_read_until is not None:
                waited = self.cdc.wait_passed(reload.source_read_until)
                self.say(f"{reload.title}: CDC has passed the load (waited {waited:.1f} s)")
            with fence() if fence else nullcontext():
                return merge_reload(
                    self.target,
                    self.ledger,
                    reload,
                    tables,
                    self.config.source.zone,
                    Patience.configured(self.config.merge),
                    # DMS takes minutes to read rows again, which is worth it only behind a fence.
                    reread=_Reread(source) if fence or isinstance(source, ReaderRows) else None,
                    fenced=fence is not None,
                )

    def confirm(self, reload: Reload, tables: Sequence[ReloadTable]) -> Confirmed:
        """Confirm a merged reload and note the result in the ledger. Can be called again until it is confirmed.

        If something prevents it from finishing, the result says so and nothing is raised: production is merged anyway.
        """
        self.ledger.set_confirm_started(reload.reload_id)
        try:
            with self._source_rows(reload, tables) as source:
                confirmed = Confirmer(
                    target=self.target,
                    ledger=self.ledger,
                    reload=self.ledger.get(reload.reload_id),
                    tables=tables,
                    zone=self.config.source.zone,
                    settings=self.config.merge,
                    source=source,
                    cdc=self.cdc,
                    fence=self._fence(reload),
                    say=self.say,
                    arbiter=self._arbiter(reload, source),
                ).run()
            confirmed = self._carried_meanwhile(reload, tables, confirmed)
        except (ReloadError, psycopg.Error) as error:
            confirmed = Confirmed(False, 0, 0, 0.0, describe(error))
        except BaseException as error:
            self.ledger.give_up_confirm(reload.reload_id, f"The confirm was interrupted ({type(error).__name__}).")
            raise
        self.ledger.set_confirm_ended(
            reload.reload_id,
            "confirmed" if confirmed.settled else "unconfirmed",
            confirmed.passes,
            confirmed.waited_seconds,
            confirmed.detail,
        )
        self.say(f"{reload.title}: {confirmed.detail}")
        return confirmed

    def _arbiter(self, reload: Reload, source: SourceRows) -> SourceRows | None:
        """Return DMS as a second reader of the source, if CDC's position shows which rows can be in doubt."""
        if self.cdc is None or isinstance(source, LoadedRows):
            return None
        return LoadedRows(self.engine, self.target, self.tasks, reload, source.reader)

    def _carried_meanwhile(self, reload: Reload, tables: Sequence[ReloadTable], confirmed: Confirmed) -> Confirmed:
        """Return the result, but unconfirmed if the CDC task has stopped carrying a table: our rows may be why."""
        if self.cdc is None:
            return confirmed
        try:
            beside = beside_cdc(self.config, reload.group_name)
            obstacles, _ = find_obstacles(self.cdc.task.describe(beside.source_endpoint_arn), beside, tables)
        except ReloadError as error:
            said = f"Whether the CDC task carries the tables still could not be asked. {error}"
        else:
            said = " ".join(map(str, obstacles))
        if not said:
            return confirmed
        return replace(confirmed, settled=False, detail=f"{confirmed.detail} {said}")

    def _fence(self, reload: Reload) -> Callable[[], AbstractContextManager[None]] | None:
        if self.cdc is None or self.config.cdc is None or self.config.groups[reload.group_name].against_cdc != "fence":
            return None
        return Fence(self.cdc, self.target, self.ledger, reload, self.config.cdc.wait_seconds, self.say)

    @contextmanager
    def _source_rows(self, reload: Reload, tables: Sequence[ReloadTable]) -> Iterator[SourceRows]:
        """Read over the source connection, or with DMS if there is none or if it would read a type differently."""
        with (
            self.source() as reader,
            self.cdc.by_source_clock(reader.now if reader else None) if self.cdc else nullcontext(),
        ):
            reasons = [f"{table.name}: {why}" for table in tables if (why := readable(table))]
            if reader is not None:
                require_unchanged_source(reader, reload, tables)
            loaded = LoadedRows(self.engine, self.target, self.tasks, reload, reader)
            if reasons:
                self.say(f"{reload.title}: rows are read again by a DMS task ({'; '.join(reasons)})")
            if reader is None or len(reasons) == len(tables):
                yield loaded
            else:
                yield RowsByTable(ReaderRows(reader), loaded) if reasons else ReaderRows(reader)


class _Reread:
    """Reads the source's rows by key for a merge."""

    def __init__(self, source: SourceRows) -> None:
        self._source = source
        self.batch = source.batch

    def fill(
        self, connection: Connection[Any], table: ReloadTable, rows: str, batches: Iterator[Sequence[Key]]
    ) -> None:
        """See ``Reread``. Raises what reading the source raises."""
        self._source.fill(connection, [Wanted(table, rows, batches)])
