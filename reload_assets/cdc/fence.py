"""The fence: the CDC task is stopped while production is written, and is resumed in every case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg.errors import LockNotAvailable

from reload_assets.cdc.position import Cdc
from reload_assets.errors.cdc import CdcNotRunning, FenceBusy
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import set_locally
from reload_assets.postgres.statements import run


class Fence:
    """Stops and resumes one group's CDC task for one reload. ``say`` takes progress messages."""

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
        """Keep CDC stopped inside the context, and resume it afterwards, even after an error.

        Only one reload at a time may do this, or another one would resume the task too early. The ledger has a note
        before the task is stopped, so that the sweeper can resume it if this process dies. Raises CdcNotReady,
        DmsError.
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
        with alone_with(self._target, self._cdc.task.arn, self._wait_seconds) as alone:
            if not alone:
                raise FenceBusy(self._cdc.task.arn, self._wait_seconds)
            yield


@contextmanager
def alone_with(target: TargetDatabase, task_arn: str, seconds: float) -> Iterator[bool]:
    """Yield whether this process is the only one that may stop or resume a CDC task inside the context."""
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
