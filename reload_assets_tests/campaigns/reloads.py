"""Reloads windows and lists of keys as a user does: with the project's own steps, and again if one was refused."""

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
from reload_assets.source.statements import Compared as Columns
from reload_assets.source_texts import readable
from reload_assets.tables import ReloadTable
from reload_assets.verify.staging import staging_checks, verify_staging
from reload_assets.windows import Window
from reload_assets_tests.campaigns import baselines
from reload_assets_tests.campaigns.bench import Bench, Databases
from reload_assets_tests.campaigns.leniency import Compared, ReloadedKeys
from reload_assets_tests.campaigns.lists import KeyList, list_of, parents
from reload_assets_tests.campaigns.schema import BOUNDS, GROUP, SOURCE_SCHEMA, Tables, World
from reload_assets_tests.campaigns.settings import MODES, READER_ROLE
from reload_assets_tests.campaigns.tables import read_tables

TRIES = 6
"""A first try and five more."""
_PAUSE_SECONDS = 0.2
"""A user waits longer after each further try."""
_SLOW_SECONDS = 1.0
"""What a run takes between load and merge if it dies after that, so that its merge brings back some deleted rows."""
LIMITS = PollLimits(
    interval=0.02, max_interval=0.1, ready_timeout=30, load_timeout=60, remove_timeout=30, call_attempts=6
)


class Unconfirmed(Exception):
    """The merge was committed, but confirm did not finish."""


class Died(Exception):
    """The run of a reload is gone, and has closed nothing."""


class _Watched(SourceReader):
    """Notes when the tables of a window are compared, and when any rows of a table are."""

    def __init__(self, url: sa.URL, windows: dict[tuple[str, int], float], tables: dict[str, float]) -> None:
        super().__init__(url, SOURCE_SCHEMA)
        self._compared_windows, self._compared_tables = windows, tables

    def segments(
        self, table: str, columns: Columns, window_column: str, start: datetime, end: datetime, characters: int
    ) -> Iterator[tuple[str, int, str]]:
        self._compared_tables[table.lower()] = time.time()
        for number, bounds in enumerate(BOUNDS):
            if start <= bounds[0] and bounds[1] <= end:
                self._compared_windows[table.lower(), number] = time.time()
        return super().segments(table, columns, window_column, start, end, characters)


@dataclass
class Reloads:
    """The results of a run's reloads; several threads append to them."""

    events: list[tuple[float, str]] = field(default_factory=list)
    """``time.time()`` and what happened then."""
    retries: list[str] = field(default_factory=list)
    """Why each further try was needed."""
    given_up: list[str] = field(default_factory=list)
    """Why windows or lists were not reloaded at all."""
    compared: Compared = field(default_factory=Compared)
    """When rows were compared for the last time."""
    lists: list[ReloadedKeys] = field(default_factory=list)
    """The lists of keys that were reloaded and confirmed."""
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
    """Reloads windows and lists of keys in one mode, from any thread."""

    def __init__(self, bench: Bench, databases: Databases, config: ReloadConfig, world: World, mode: str) -> None:
        self._bench, self._databases, self._config, self._mode = bench, databases, config, mode
        self._specs, self._checked = world.specs, world.checked
        self._target: TargetDatabase = bench.login(databases.target)
        self._ledger = Ledger(self._target)
        self.done = Reloads()

    def reload(
        self, selected: Window | KeyList, pause: float = 0.0, *, dies: bool = False, stays_dead: bool = False
    ) -> None:
        """Reload a window, or a list, after a pause (seconds), several times if need be.

        If it ``dies``, the next try takes it up. If it ``stays_dead``, there is none, and others have to.
        """
        time.sleep(pause)
        for number in range(TRIES):
            try:
                self._attempt(selected, dies=dies and number == 0)
                return
            except Died:
                if stays_dead:
                    return
                time.sleep(pause)
            except (ReloadError, Unconfirmed, psycopg.Error) as error:
                name = selected.key if isinstance(selected, Window) else selected.name
                said = f"{name}: {type(error).__name__}: {' '.join(str(error).split())}"
                self.done.note(said)
                (self.done.given_up if number == TRIES - 1 else self.done.retries).append(said)
                time.sleep(_PAUSE_SECONDS * number)
                if isinstance(selected, KeyList):
                    selected = self._with_parents(selected)

    def sweep(self) -> None:
        """Clean up after the dead, as the sensor does. Raises AssertionError if something is left."""
        swept = self._load({}).sweeper.sweep(self._is_live)
        for said in swept.done:
            self.done.note(said)
        if swept.left:
            raise AssertionError("; ".join(swept.left))

    def both_sides(self) -> tuple[Tables, Tables]:
        """The source's rows and, as they are a moment later, production's."""
        source = read_tables(self._bench.source.url(self._databases.source), self._specs, on_source=True)
        return source, read_tables(self._bench.target.url(self._databases.target), self._specs, on_source=False)

    def _with_parents(self, selected: KeyList) -> KeyList:
        """Add the parents without which the merge was refused. It is another list then, with a name of its own."""
        added = parents(selected, self._specs, *self.both_sides()) - selected.places
        if not added:
            return selected
        return list_of(f"{selected.name}-with-parents", selected.places | added, self._specs)

    def _is_live(self, run_id: str) -> bool:
        return run_id not in self.done.dead

    def _load(self, compared: dict[str, float]) -> Load:
        return Load(
            config=self._config,
            target=self._target,
            ledger=self._ledger,
            tasks=LoadTasks(self._bench.client, LIMITS),
            # A baseline knows of no CDC.
            cdc=self._cdc() if MODES[self._mode].ours else None,
            open_source=lambda: self._open_source(compared),
            say=_quietly,
        )

    def _attempt(self, selected: Window | KeyList, *, dies: bool) -> None:
        compared: dict[str, float] = {}
        load = self._load(compared)
        opening = self._opening(selected)
        only = list(self._specs) if isinstance(selected, Window) else list(selected.keys)
        reload = load.open(opening, only, run_is_live=self._is_live)
        self._note(reload, "opened" if isinstance(selected, Window) else f"opened: {selected}")
        self.done.unmerged.add(reload.reload_id)
        try:
            tables = self._stage(load, reload.reload_id)
            self._verify(self._ledger.get(reload.reload_id), tables)
            self._note(reload, "loaded")
            if dies:
                time.sleep(_SLOW_SECONDS)
            self._merge(reload, tables, self._production(compared), dies=dies)
        except Died:
            self.done.dead.add(opening.run_id)
            raise
        except BaseException as error:
            load.sweeper.give_up(reload.reload_id, "failed", str(error))
            raise
        finally:
            self.done.unmerged.discard(reload.reload_id)
        if isinstance(selected, KeyList):
            self.done.lists.append(ReloadedKeys(reload.reload_id, selected.keys, compared))
            for table, key in selected.places:
                self.done.compared.note_key((table, key), compared[table])

    def _opening(self, selected: Window | KeyList) -> Opening:
        run_id = str(uuid.uuid4())
        if isinstance(selected, Window):
            return Opening(GROUP, selected, selected, selected.key, "campaign", "", run_id, None)
        keys = {table: [self._specs[table].written(key) for key in keys] for table, keys in selected.keys.items()}
        return Opening(GROUP, None, None, selected.name, "campaign", "", run_id, None, keys)

    def _stage(self, load: Load, reload_id: int) -> list[ReloadTable]:
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
            table = next(table for table in tables if table.name == name)
            arrived = staged.staged_rows + staged.trimmed_rows
            by_dms = reload.window is not None or readable(table) is not None
            if staged.dms_rows != (arrived if by_dms else None):
                raise AssertionError(f"{reload.title}: DMS loaded {staged.dms_rows} rows of {name}, not {arrived}")
            checks = [CheckResult(name, check, "passed", True, "") for check in staging_checks(reload)]
            if self._checked:
                checks = self._checks(reload, table, staged)
            self._ledger.record_checks(reload.reload_id, name, checks)
            # DMS loads truly here, so that whatever is rejected is good.
            self.done.rejected += [
                f"a good load was rejected by {check.check_name} of {name}: {check.detail}"
                for check in checks
                if check.blocking and check.status != "passed"
            ]

    def _checks(self, reload: Reload, table: ReloadTable, staged: StagedTable) -> list[CheckResult]:
        with self._open_source({}) as reader:
            outcomes = verify_staging(
                self._target,
                self._config.source.zone,
                reload,
                table,
                staged,
                lob_limit_kb=self._config.dms.task.lob_limit_kb,
                source_configured=True,
                checks=staging_checks(reload),
                reader=reader,
            )
        return [CheckResult(table.name, one.check_name, one.status, one.blocking, one.detail) for one in outcomes]

    def _merge(self, reload: Reload, tables: list[ReloadTable], production: Publication, *, dies: bool) -> None:
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

    def _production(self, compared: dict[str, float]) -> Publication:
        return Publication(
            config=self._config,
            target=self._target,
            ledger=self._ledger,
            tasks=LoadTasks(self._bench.client, LIMITS),
            cdc=self._cdc(),
            open_source=lambda: self._open_source(compared),
            say=_quietly,
        )

    def _note(self, reload: Reload, what: str) -> None:
        if what == "merged":
            self.done.merged_at = time.time()
            self.done.unmerged.discard(reload.reload_id)
        self.done.note(f"reload {reload.reload_id} of {reload.selected} {what}")

    def _open_source(self, compared: dict[str, float]) -> SourceReader:
        url = source_url(
            "postgresql",
            host="127.0.0.1",
            port=self._bench.source.port,
            database=self._databases.source,
            user=READER_ROLE,
            password=self._bench.password,
        )
        return _Watched(url, self.done.compared.windows, compared)


def _quietly(text: str) -> None:
    """Drop the message, because nobody watches."""
