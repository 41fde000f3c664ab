"""Removes what ended or dead runs left behind.

That is a stopped CDC task, a DMS task of a load, a confirm or a validation, tables of rows that were read again, and a
row of the ledger that says that a reload is under way. A step that fails, a run that ends, the next reload of the
window and the sensor ``sweeper`` all call this module. A killed process cannot; the sensor does it in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from reload_assets.cdc.fence import alone_with
from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.tasks import LoadTasks
from reload_assets.engines.staging_tables import again_name
from reload_assets.errors import DmsError
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import RUN_TAG, TAG_PREFIX, VALIDATES_TAG, Reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import drop_table
from reload_assets.reload.failures import describe
from reload_assets.windows import Window

_SHORTLY_SECONDS = 0.5

RunIsLive = Callable[[str], bool]
"""Whether a run may still be at work. It must be true for every run of which nobody knows that it is over."""


@dataclass
class Swept:
    """What a sweep did, and what it could not clean, as sentences."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Note a failure of the block, and let the sweep continue."""
        try:
            yield
        except Exception as error:
            self.left.append(f"{what}: {describe(error)}")


@dataclass(frozen=True)
class Sweeper:
    """Cleans one target database and one account of DMS. ``cdc_tasks`` are those that a run may have stopped.

    CDC tasks come first, because production is not updated without them. ``say`` reports each step to the log.
    """

    target: TargetDatabase
    ledger: Ledger
    tasks: LoadTasks
    cdc_tasks: Sequence[CdcTask]
    say: Callable[[str], None]

    def sweep(self, run_is_live: RunIsLive) -> Swept:
        """Clean up after all runs that are no longer live; continue after a failure.

        A verified reload and a merge in chunks stay as they are: they are resumed when production of the window is
        materialized.
        """
        swept = Swept()
        noting = self._noting(swept)
        noting._resume_each(run_is_live, swept)
        noting._close_each(self.ledger.find_left, run_is_live, swept)
        with swept.trying("the DMS tasks of dead runs"):
            for arn, tags in self.tasks.find_own().items():
                reload = self._owner(arn, tags)
                if reload is not None and not run_is_live(reload.run_id):
                    with swept.trying(f"the DMS task {arn} of {reload.title}"):
                        noting._remove_task(reload, arn)
                elif VALIDATES_TAG in tags and not run_is_live(tags.get(RUN_TAG, "")):
                    with swept.trying(f"the DMS task {arn}, which validates {tags[VALIDATES_TAG]}"):
                        noting._remove(arn)
        return swept

    def end_run(self, run_id: str) -> Swept:
        """Clean up at a run's own end: stop its loads, and resume a CDC task that it stopped."""
        swept = Swept()
        noting = self._noting(swept)
        noting._resume_each(lambda other: other != run_id, swept)
        noting._close_each(lambda: self.ledger.find_loading(run_id), lambda other: False, swept)
        return swept

    def clear_selection(self, group: str, window: Window | None, partition_key: str, run_is_live: RunIsLive) -> None:
        """Make room for a new reload: close the reloads of the window whose run is over, whatever state they are in.

        Without a window: the reloads of the same keys. Raises DmsError if a CDC task does not run afterwards.
        """
        for task in self.cdc_tasks:
            self._resume(task, run_is_live)
        for reload in self.ledger.find_unfinished(group, window, partition_key):
            if not run_is_live(reload.run_id):
                self._close(reload)

    def give_up(self, reload_id: int, status: Literal["failed", "cancelled"], error: str) -> None:
        """Stop and delete the DMS task of a reload and close the reload in the ledger, whatever state they are in.

        A merged reload stays merged; if it is not confirmed yet, it becomes unconfirmed. If a task cannot be deleted,
        the ledger names it.
        """
        reload = self.ledger.get(reload_id)
        for arn in self.tasks_of(reload):
            try:
                self._remove_task(reload, arn)
            except DmsError as failure:
                error += f" Its DMS task {arn} is still there: {failure.sentence}"
        self.ledger.close(reload_id, status, error)
        if reload.confirm_status == "pending":
            with self.target.connect(autocommit=True) as connection:
                for table in self.ledger.tables(reload_id).values():
                    drop_table(connection, table.staging_schema, again_name(table.staging_table))
            self.ledger.give_up_confirm(reload_id, error)

    def tasks_of(self, reload: Reload) -> list[str]:
        """Return the ARNs of the reload's tasks.

        They are also looked for by their tags, because a step may have died before it could note the ARN, or in a
        confirm.
        """
        if reload.task_arn and reload.confirm_status != "pending":
            return [reload.task_arn]
        try:
            return self.tasks.find(reload.tags)
        except DmsError as failure:
            self.say(f"Whether {reload.title} left a DMS task behind could not be found out: {failure}")
            return []

    def _noting(self, swept: Swept) -> Sweeper:
        """Return a copy of this sweeper that also notes in ``swept`` what it did."""

        def say(text: str) -> None:
            swept.done.append(text)
            self.say(text)

        return replace(self, say=say)

    def _resume_each(self, run_is_live: RunIsLive, swept: Swept) -> None:
        for task in self.cdc_tasks:
            with swept.trying(f"the CDC task {task.arn}"):
                self._resume(task, run_is_live)

    def _close_each(self, find: Callable[[], list[tuple[int, str]]], run_is_live: RunIsLive, swept: Swept) -> None:
        with swept.trying("the reloads of dead runs"):
            for reload_id, run_id in find():
                if not run_is_live(run_id):
                    with swept.trying(f"reload {reload_id}"):
                        self._close(self.ledger.get(reload_id))

    def _resume(self, task: CdcTask, run_is_live: RunIsLive) -> None:
        """Resume a CDC task that a reload stopped, if the reload's run is over. Raises DmsError if it does not run.

        The task is left alone while a reload holds its fence: that reload resumes it, even if Dagster considers its run
        dead.
        """
        if not self._left_stopped(task, run_is_live):
            return
        with alone_with(self.target, task.arn, _SHORTLY_SECONDS) as alone:
            if not alone:
                self.say(f"the CDC task {task.arn} is kept stopped by a reload that still holds its fence")
                return
            # Checked again: meanwhile another process may have resumed it, and a live run may have stopped it again.
            for reload_id in self._left_stopped(task, run_is_live):
                self.say(f"reload {reload_id} left the CDC task {task.arn} stopped; resuming it")
                task.resume()
                self.ledger.set_cdc_resumed(reload_id)

    def _left_stopped(self, task: CdcTask, run_is_live: RunIsLive) -> list[int]:
        return [reload_id for reload_id, run_id in self.ledger.find_fenced(task.arn) if not run_is_live(run_id)]

    def _close(self, reload: Reload) -> None:
        """Give up a reload whose run is over."""
        doing = "in the middle of its confirm" if reload.status == "merged" else reload.status
        self.say(f"{reload.title} was left {doing} by run {reload.run_id}; closing it")
        self.give_up(reload.reload_id, "cancelled", f"Run {reload.run_id} ended and left it {doing}.")

    def _remove_task(self, reload: Reload, arn: str) -> None:
        self._remove(arn)
        self.ledger.set_task_removed(reload.reload_id)

    def _remove(self, arn: str) -> None:
        self.tasks.remove(arn)
        self.say(f"DMS task {arn} is stopped and deleted")

    def _owner(self, arn: str, tags: dict[str, str]) -> Reload | None:
        """Return the reload of a task; None if the task is of another ledger, which may use the same reload ids."""
        reload_id = tags.get(f"{TAG_PREFIX}reload_id", "")
        reload = self.ledger.find(int(reload_id)) if reload_id.isdecimal() else None
        if reload is not None and (reload.task_arn == arn or reload.tags.items() <= tags.items()):
            return reload
        return None
