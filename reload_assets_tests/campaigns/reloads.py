"""Reloads windows as a user does: with the project's own steps, and again if one was refused."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
import sqlalchemy as sa

from reload_assets.cdc.position import Cdc
from reload_assets.config.model import ReloadConfig
from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.tasks import LoadTasks, PollLimits
from reload_assets.errors import ReloadError
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import CheckResult, Opening, Reload, StagedTable
from reload_assets.merge import Patience, merge_reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.load import Load
from reload_assets.reload.publish import Publication
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.source.statements import Compared
from reload_assets.tables import ReloadTable
from reload_assets.verify.staging import STAGING_CHECKS, verify_staging
from reload_assets.windows import Window
from reload_assets_tests.campaigns import baselines
from reload_assets_tests.campaigns.bench import Bench, Databases
from reload_assets_tests.campaigns.schema import BOUNDS, GROUP, SOURCE_SCHEMA, World
from reload_assets_tests.campaigns.settings import MODES, READER_ROLE

TRIES = 6
"""A first try and five more."""
_PAUSE_SECONDS = 0.2
"""A user waits longer after each further try."""
LIMITS = PollLimits(
    interval=0.02, max_interval=0.1, ready_timeout=30, load_timeout=60, remove_timeout=30, call_attempts=6
)


class Unconfirmed(Exception):
    """The merge was committed, but confirm did not finish."""


class Died(Exception):
    """The run of a reload is gone, and has closed nothing."""


class _Watched(SourceReader):
    """Notes when the tables of a window are compared."""

    def __init__(self, url: sa.URL, compared: dict[tuple[str, int], float]) -> None:
        super().__init__(url, SOURCE_SCHEMA)
        self._compared = compared

    def segments(
        self, table: str, columns: Compared, window_column: str, start: datetime, end: datetime, characters: int
    ) -> Iterator[tuple[str, int, str]]:
        for number, bounds in enumerate(BOUNDS):
            if start <= bounds[0] and bounds[1] <= end:
                self._compared[table.lower(), number] = time.time()
        return super().segments(table, columns, window_column, start, end, characters)


@dataclass
class Reloads:
    """The results of a run's reloads; several threads append to them."""

    events: list[tuple[float, str]] = field(default_factory=list)
    """``time.time()`` and what happened then."""
    retries: list[str] = field(default_factory=list)
    """Why each further try was needed."""
    given_up: list[str] = field(default_factory=list)
    """Why windows were not reloaded at all."""

    compared: dict[tuple[str, int], float] = field(default_factory=dict)
    """When a table was compared for the last time, by its name and the window's number."""
    rejected: list[str] = field(default_factory=list)
    """Good loads that a check rejected, and why."""
    dead: set[str] = field(default_factory=set)
    """Runs that died."""
    unmerged: set[int] = field(default_factory=set)
    """Reloads that are open and not merged."""
    merged_at: float = 0.0
    """``time.time()`` of the newest merge."""

    @property
    def quiet_seconds(self) -> float:
        """The seconds since a reload was last between opening and merge; 0 while one is, and before the first."""
        return 0.0 if self.unmerged or not self.merged_at else time.time() - self.merged_at

    def note(self, text: str) -> None:
        """Note that something happened."""
        self.events.append((time.time(), text))


class Reloader:
    """Reloads windows in one mode, from any thread."""

    def __init__(self, bench: Bench, databases: Databases, config: ReloadConfig, world: World, mode: str) -> None:
        self._bench, self._databases, self._config, self._mode = bench, databases, config, mode
        self._specs, self._checked = world.specs, world.checked
        self._target: TargetDatabase = bench.login(databases.target)
        self._ledger = Ledger(self._target)
        self.done = Reloads()

    def reload(self, window: Window, pause: float = 0.0, *, dies: bool = False) -> None:
        """Reload a window after a pause (seconds), several times if need be; if it ``dies``, the next takes it up."""
        time.sleep(pause)
        for number in range(TRIES):
            try:
                self._attempt(window, dies=dies and number == 0)
                return
            except Died:
                time.sleep(pause)
            except (ReloadError, Unconfirmed, psycopg.Error) as error:
                said = f"{window.key}: {type(error).__name__}: {' '.join(str(error).split())}"
                self.done.note(said)
                (self.done.given_up if number == TRIES - 1 else self.done.retries).append(said)
                time.sleep(_PAUSE_SECONDS * number)

    def _attempt(self, window: Window, *, dies: bool) -> None:
        load = Load(
            config=self._config,
            target=self._target,
            ledger=self._ledger,
            tasks=LoadTasks(self._bench.client, LIMITS),
            # A baseline knows of no CDC.
            cdc=self._cdc() if MODES[self._mode].ours else None,
            open_source=self._open_source,
            say=_quietly,
        )
        opening = Opening(GROUP, window, window, window.key, "campaign", "", str(uuid.uuid4()), None)
        reload = load.open(opening, list(self._specs), run_is_live=lambda run_id: run_id not in self.done.dead)
        self._note(reload, "opened")
        self.done.unmerged.add(reload.reload_id)
        try:
            tables = self._load(load, reload.reload_id)
            self._verify(self._ledger.get(reload.reload_id), tables)
            self._note(reload, "loaded")
            self._merge(reload, tables, dies=dies)
        except Died:
            self.done.dead.add(opening.run_id)
            raise
        except BaseException as error:
            load.sweeper.give_up(reload.reload_id, "failed", str(error))
            raise
        finally:
            self.done.unmerged.discard(reload.reload_id)

    def _load(self, load: Load, reload_id: int) -> list[ReloadTable]:
        steps: list[Callable[[Reload], object]] = [
            load.create_task,
            load.start_task,
            lambda reload: load.wait(reload, lambda progress: None),
            load.drop_task,
        ]
        for step in steps:
            step(self._ledger.get(reload_id))
        return list(load.finish(self._ledger.get(reload_id)).values())

    def _verify(self, reload: Reload, tables: list[ReloadTable]) -> None:
        """Run the staging checks. Most worlds use a substitute, as the checks cost more than all the rest together."""
        for name, staged in self._ledger.tables(reload.reload_id).items():
            arrived = staged.staged_rows + staged.trimmed_rows
            if staged.dms_rows != arrived:
                raise AssertionError(f"{reload.title}: DMS loaded {staged.dms_rows} rows of {name}, not {arrived}")
            checks = [CheckResult(name, check, "passed", True, "") for check in STAGING_CHECKS]
            if self._checked:
                checks = self._checks(reload, next(table for table in tables if table.name == name), staged)
            self._ledger.record_checks(reload.reload_id, name, checks)
            # DMS loads truly here, so that whatever is rejected is good.
            self.done.rejected += [
                f"a good load was rejected by {check.check_name} of {name}: {check.detail}"
                for check in checks
                if check.blocking and check.status != "passed"
            ]

    def _checks(self, reload: Reload, table: ReloadTable, staged: StagedTable) -> list[CheckResult]:
        with self._open_source() as reader:
            outcomes = verify_staging(
                self._target,
                self._config.source.zone,
                reload,
                table,
                staged,
                lob_limit_kb=self._config.dms.task.lob_limit_kb,
                source_configured=True,
                checks=STAGING_CHECKS,
                reader=reader,
            )
        return [CheckResult(table.name, one.check_name, one.status, one.blocking, one.detail) for one in outcomes]

    def _merge(self, reload: Reload, tables: list[ReloadTable], *, dies: bool) -> None:
        reload = self._ledger.get(reload.reload_id)
        if self._mode in baselines.STATEMENTS:
            staging = {name: staged.staging_table for name, staged in self._ledger.tables(reload.reload_id).items()}
            with self._target.connect() as connection:
                baselines.merge(connection, self._specs, self._mode, staging)
            self._note(reload, "merged")
            self._ledger.close(reload.reload_id, "cancelled", "Merged by a baseline of the campaign.")
            return
        if self._mode == "unconfirmed":
            patience = Patience.configured(self._config.merge)
            merge_reload(self._target, self._ledger, reload, tables, self._config.source.zone, patience)
            self._ledger.give_up_confirm(reload.reload_id, "The mode of the campaign is to go without.")
            self._note(reload, "merged")
            return
        production = self._production()
        production.merge(reload, tables)
        self._note(reload, "merged")
        if dies:
            self._note(reload, "died")
            raise Died
        confirmed = production.confirm(reload, tables)
        self._note(reload, f"confirmed: {confirmed.detail}")
        if not confirmed.settled:
            raise Unconfirmed(confirmed.detail)

    def _cdc(self) -> Cdc:
        assert self._config.cdc is not None
        arn = str(self._config.cdc.task_arn)
        task = CdcTask(self._bench.client, LIMITS, arn)
        return Cdc(self._config.cdc, task, self._target, lambda: bool(self._ledger.find_fenced(arn)), _quietly)

    def _production(self) -> Publication:
        return Publication(
            config=self._config,
            target=self._target,
            ledger=self._ledger,
            tasks=LoadTasks(self._bench.client, LIMITS),
            cdc=self._cdc(),
            open_source=self._open_source,
            say=_quietly,
        )

    def _note(self, reload: Reload, what: str) -> None:
        if what == "merged":
            self.done.merged_at = time.time()
            self.done.unmerged.discard(reload.reload_id)
        self.done.note(f"reload {reload.reload_id} of {reload.selected} {what}")

    def _open_source(self) -> SourceReader:
        url = source_url(
            "postgresql",
            host="127.0.0.1",
            port=self._bench.source.port,
            database=self._databases.source,
            user=READER_ROLE,
            password=self._bench.password,
        )
        return _Watched(url, self.done.compared)


def _quietly(text: str) -> None:
    """Drop the message, because nobody watches."""
