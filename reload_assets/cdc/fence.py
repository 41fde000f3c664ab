"""The fence: the CDC task is stopped for as long as production is written, and runs again in every case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg.errors import LockNotAvailable

from reload_assets.cdc.position import Cdc
from reload_assets.dms.cdc import CdcTask
from reload_assets.errors.cdc import CdcNotRunning, FenceBusy
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import set_locally
from reload_assets.postgres.statements import run

_SHORTLY = 0.5


class Fence:
    """Stops and resumes one group's CDC task on behalf of one reload; ``say`` reports to whoever watches."""

    def __init__(
        self,
        cdc: Cdc,
        target: TargetDatabase,
        ledger: Ledger,
        reload: Reload,
        wait_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._cdc, self._target, self._ledger, self._reload = cdc, target, ledger, reload
        self._wait_seconds, self._say = wait_seconds, say

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """CDC has stopped when this begins, and runs again when it ends, however it ends.

        One reload at a time: another one would resume the task under this one's feet. The ledger says so before the
        task is stopped; if this process dies, the sweeper finds it there. Raises CdcNotReady, DmsError.
        """
        with self._alone():
            state = self._cdc.task.state()
            if not state.running:
                nobody = f"and {self._reload.title} did not stop it"
                raise CdcNotRunning(state.identifier, state.status, state.why, nobody)
            self._ledger.set_cdc_stopped(self._reload.reload_id)
            try:
                self._cdc.task.stop()
                self._say(f"the CDC task {state.identifier} is stopped")
                yield
            finally:
                self._cdc.task.resume()
                self._ledger.set_cdc_resumed(self._reload.reload_id)
                self._say(f"the CDC task {state.identifier} runs again")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with _lock(self._target, self._cdc.task.arn, self._wait_seconds) as alone:
            if not alone:
                raise FenceBusy(self._cdc.task.arn, self._wait_seconds)
            yield


def resume_left_stopped(
    task: CdcTask,
    target: TargetDatabase,
    ledger: Ledger,
    run_is_live: Callable[[str], bool],
    say: Callable[[str], None],
) -> None:
    """Resume a CDC task that a reload stopped whose run is over.

    A task is left alone for as long as a reload holds its fence: that one resumes it, even where Dagster takes its run
    for dead. Raises DmsError where the task does not run then.
    """
    if not _left_stopped(task, ledger, run_is_live):
        return
    with _lock(target, task.arn, _SHORTLY) as alone:
        if not alone:
            say(f"the CDC task {task.arn} is kept stopped by a reload that still holds its fence")
            return
        # Asked again: another process may have resumed it, and a live run stopped it anew.
        for reload_id in _left_stopped(task, ledger, run_is_live):
            say(f"reload {reload_id} left the CDC task {task.arn} stopped; resuming it")
            task.resume()
            ledger.set_cdc_resumed(reload_id)


def _left_stopped(task: CdcTask, ledger: Ledger, run_is_live: Callable[[str], bool]) -> list[int]:
    return [reload_id for reload_id, run_id in ledger.find_fenced(task.arn) if not run_is_live(run_id)]


@contextmanager
def _lock(target: TargetDatabase, task_arn: str, seconds: float) -> Iterator[bool]:
    """Whether this process is the only one that stops or resumes a CDC task while this is open."""
    with target.connect() as connection:
        set_locally(connection, lock_timeout=f"{int(seconds * 1000)}ms")
        try:
            run(connection, "cdc:lock_fence", task_arn=task_arn)
        except LockNotAvailable:
            connection.rollback()
            yield False
            return
        yield True
        connection.rollback()
