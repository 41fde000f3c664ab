"""The merge of a verified reload: one transaction for all its tables, tried again where it met another's lock."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import psycopg
from psycopg import Connection, IsolationLevel, errors

from reload_assets.database import Target
from reload_assets.errors import DatabaseUnreachable, LedgerError, MergeFailed, ReloadCancelled, ReloadRefused
from reload_assets.ledger import Ledger, Reload
from reload_assets.merge.apply import Recheck, TableMerge
from reload_assets.merge.cancel import run_cancellable
from reload_assets.merge.explain import explain
from reload_assets.merge.guard import NeverMergeable, require_late_parents, require_mergeable
from reload_assets.merge.moved import Contention
from reload_assets.merge.outcomes import MergeResult, Outcomes
from reload_assets.merge.plan import TablePlan
from reload_assets.merge.settings import prefer_probes, set_up
from reload_assets.merge.stall import StallWatch
from reload_assets.statements import run
from reload_assets.tables import ReloadTable

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0

_RETRIED = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    # CDC deleted the parent after it was looked for; the next attempt finds it missing.
    errors.ForeignKeyViolation,
    Contention,
)
_FOREIGN_KEY_ATTEMPTS = 3


def merge_reload(
    target: Target,
    ledger: Ledger,
    reload: Reload,
    tables: Sequence[ReloadTable],
    zone: ZoneInfo,
    *,
    lock_timeout_ms: int,
    stall_limit_ms: int,
    attempts: int,
    recheck: Recheck | None = None,
    fenced: bool = False,
    awaits_confirm: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> MergeResult:
    """Merge a verified reload into production, its tables in the given order (parents first), in one transaction.

    ``zone`` is that of the source's timestamps, ``lock_timeout_ms`` the longest wait for one lock, ``stall_limit_ms``
    the longest time that another session waits for the merge, ``attempts`` how often a transaction that met a lock, a
    deadlock or a conflict is tried. ``recheck`` takes rows back that the source has changed since the load: those
    whose parent has gone, or (``fenced``, with CDC stopped) all. ``awaits_confirm`` has the ledger say that the reload
    is not over yet. ``cancelled`` is asked several times a second.

    Raises ReloadRefused where the reload may not be merged (it stays as it is, unless no second try could mend it:
    then the ledger has it as failed), MergeFailed where production refused a row or contention outlived the attempts
    (failed), ReloadCancelled for ``cancelled``, and whatever else interrupts the calling thread (both cancelled).
    Production is unchanged then.
    """
    merge = _Merge(target, ledger, reload, tables, zone, _Patience(lock_timeout_ms, stall_limit_ms, attempts))
    merge.recheck, merge.fenced, merge.confirm_status = recheck, fenced, "pending" if awaits_confirm else "none"
    try:
        return merge.run(cancelled)
    except (MergeFailed, NeverMergeable) as error:
        merge.close("failed", str(error))
        raise
    except (ReloadRefused, LedgerError):
        raise
    except ReloadCancelled as error:
        merge.close("cancelled", str(error))
        raise
    except Exception as error:
        merge.close("failed", _told(error))
        raise
    except BaseException as error:
        merge.close("cancelled", f"The merge was interrupted by {_told(error)}.")
        raise


@dataclass(frozen=True)
class _Patience:
    lock_timeout_ms: int
    stall_limit_ms: int
    attempts: int


class _Merge:
    recheck: Recheck | None = None
    fenced = False
    confirm_status = "none"

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        reload: Reload,
        tables: Sequence[ReloadTable],
        zone: ZoneInfo,
        patience: _Patience,
    ) -> None:
        self._target, self._ledger, self._reload, self._tables, self._zone = target, ledger, reload, tables, zone
        self._patience = patience
        self._plans: list[TablePlan] = []
        self._current: TablePlan | None = None
        # What a transaction that is about to be committed will have done.
        self._ready: MergeResult | None = None

    def run(self, cancelled: Callable[[], bool] | None) -> MergeResult:
        connection = self._target.connect()
        try:
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            connection.read_only = False
            # Before the ledger is told that a merge begins, and again in the merge's own transaction.
            set_up(connection, self._patience.lock_timeout_ms)
            self._plans = require_mergeable(connection, self._reload, self._tables, self._zone)
            connection.rollback()
            self._ledger.set_merge_started(self._reload.reload_id)
            with StallWatch(self._target, connection, self._patience.stall_limit_ms) as watch:
                return run_cancellable(connection, partial(self._attempt_all, connection, watch), cancelled)
        except psycopg.Error as error:
            lost = connection.closed
            text = explain(self._target, self._reload, self._plans, self._current, error)
            if lost and self._ready and self._was_committed(text):
                return self._ready
            raise MergeFailed(text) from error
        finally:
            connection.close()

    def close(self, status: Literal["failed", "cancelled"], text: str) -> bool:
        """Tell the ledger, on a connection of its own, why the merge did not come about; whether it took that."""
        try:
            return self._ledger.close(self._reload.reload_id, status, text)
        except (psycopg.Error, DatabaseUnreachable):
            # The first error is the one to raise.
            _LOG.warning("%s: the ledger could not be told: %s", self._reload.title, text, exc_info=True)
            return False

    def _was_committed(self, text: str) -> bool:
        """Whether the server committed although the connection broke before it could say so."""
        return not self.close("failed", text) and self._ledger.get(self._reload.reload_id).status == "merged"

    def _attempt_all(self, connection: Connection[Any], watch: StallWatch, stop: threading.Event) -> MergeResult:
        started = time.monotonic()
        attempt = 1
        while True:
            try:
                self._ready, self._current = None, None
                outcomes = self._merge(connection)
                self._ready = MergeResult(outcomes, attempt, time.monotonic() - started)
                connection.commit()
                return replace(self._ready, seconds=time.monotonic() - started)
            except (*_RETRIED, errors.QueryCanceled) as error:
                connection.rollback()
                yielded = watch.tripped
                watch.reset()
                if isinstance(error, errors.QueryCanceled) and not yielded:
                    raise
                if isinstance(error, errors.ForeignKeyViolation) and attempt >= _FOREIGN_KEY_ATTEMPTS:
                    raise
                if attempt == self._patience.attempts:
                    raise MergeFailed(self._stalled() if yielded else self._contended(error)) from error
                _LOG.info("%s: attempt %d met %s", self._reload.title, attempt, error)
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise
            pause = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
            if stop.wait(pause * random.uniform(0.5, 1.5)):
                raise ReloadCancelled("The merge was cancelled.")
            attempt += 1

    def _merge(self, connection: Connection[Any]) -> dict[str, Outcomes]:
        set_up(connection, self._patience.lock_timeout_ms)
        self._plans = require_mergeable(connection, self._reload, self._tables, self._zone)
        require_late_parents(connection, self._plans)
        prefer_probes(connection)
        deferrable = any(
            any(key.deferrable for key in table.production.foreign_keys)
            or any(key.deferrable for key in table.production.unique_keys)
            for table in self._tables
        )
        if deferrable:
            run(connection, "merge/defer_constraints")
        outcomes = {}
        for plan in self._plans:
            self._current = plan
            before = {other.table.target for other in self._plans if other.position < plan.position}
            later = {other.table.target for other in self._plans if other.position >= plan.position}
            merge = TableMerge(connection, plan, before, later, self.recheck, self.fenced)
            outcomes[plan.table.name] = merge.run()
        self._current = None
        if deferrable:
            run(connection, "merge/check_constraints")
        merged = run(
            connection, "ledger/set_merged", reload_id=self._reload.reload_id, confirm_status=self.confirm_status
        )
        if merged.rowcount != 1:
            raise LedgerError(f"{self._reload.title} ended while it was being merged; nothing was changed.")
        return outcomes

    def _stalled(self) -> str:
        return (
            f"{self._reload.title} is not merged and production is unchanged: each of {self._patience.attempts} "
            f"attempts gave way to a session that waited {self._patience.stall_limit_ms} ms for it; raise merge."
            "stall_limit_ms, set against_cdc: fence, or reload shorter windows."
        )

    def _contended(self, error: Exception) -> str:
        place = self._current.table.target if self._current else "the ledger or a staging table"
        met = str(error)
        if isinstance(error, psycopg.Error):
            met = "; ".join(part for part in (error.diag.message_primary, error.diag.context) if part)
        return (
            f"{self._reload.title} is not merged and production is unchanged: each of {self._patience.attempts} "
            f"attempts met another transaction, the last one while it waited in {place} for at most "
            f"{self._patience.lock_timeout_ms} ms ({' '.join(met.split())}); end that transaction or try again "
            "later, and reload the window again."
        )


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
