"""Merges a verified reload in one transaction, or in one per chunk. Each is tried again if it met another's lock."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import psycopg
from psycopg import Connection, Cursor, IsolationLevel

from reload_assets.config.model import MergeConfig
from reload_assets.errors import LedgerError, MergeFailed, NeverMergeable, ReloadRefused, TargetError
from reload_assets.errors.merge import MergeContended, MergeSessionLost, MergeYielded
from reload_assets.errors.reloads import ReloadEndedMeanwhile
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.merge.chunks import inseparable, merged_outcomes, next_chunk, uncut_because
from reload_assets.merge.preconditions import count_verified, require_late_parents, require_mergeable
from reload_assets.merge.refused_row import explain
from reload_assets.merge.result import MergeResult, Outcomes
from reload_assets.merge.statements import EVERY_KEY, MergeStatements
from reload_assets.merge.table import TableMerge
from reload_assets.merge.withhold import Reread
from reload_assets.postgres.cancellable import run_cancellable
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import check_constraints, defer_constraints, prefer_probes, set_up
from reload_assets.postgres.statements import run
from reload_assets.postgres.transaction import Contended, Transactions
from reload_assets.tables import ReloadTable

_LOG = logging.getLogger(__name__)
# CDC may delete a parent after it was looked for. The next attempt then finds it missing.
_FOREIGN_KEY_ATTEMPTS = 3
# More rows than any table has, so the chunk takes all that are left.
_REST = 2**62


@dataclass(frozen=True)
class Patience:
    """How a merge treats concurrent sessions: waits in milliseconds, and how often a transaction is tried.

    ``chunk_rows``: staged rows per transaction; None merges all tables in one transaction.
    """

    lock_timeout_ms: int
    stall_limit_ms: int
    attempts: int
    chunk_rows: int | None = None

    @classmethod
    def configured(cls, settings: MergeConfig) -> Patience:
        """Return the patience that a configuration asks for."""
        return cls(
            lock_timeout_ms=settings.lock_timeout_ms,
            stall_limit_ms=settings.stall_limit_ms,
            attempts=settings.attempts,
            chunk_rows=settings.chunk_rows if settings.mode == "chunked" else None,
        )


def merge_reload(
    target: TargetDatabase,
    ledger: Ledger,
    reload: Reload,
    tables: Sequence[ReloadTable],
    zone: ZoneInfo,
    patience: Patience,
    *,
    reread: Reread | None = None,
    fenced: bool = False,
) -> MergeResult:
    """Merge a verified reload into production, its tables in the given order (parents first), in one transaction.

    With ``patience.chunk_rows`` each chunk is a transaction, and the next call resumes a merge that was interrupted
    between two chunks. ``zone`` is the time zone of the source's timestamps. ``reread`` reads rows of the source again:
    rows whose parent is missing, or all rows if ``fenced`` (CDC is stopped). Rows that the source has changed since the
    load are left out, and so are rows that need a unique value of an orphan. After the merge, the reload awaits its
    confirm, which writes these.

    Raises ReloadRefused if the reload may not be merged. Its status stays as it is, or becomes 'failed' if no second
    try could succeed. Raises MergeFailed if production refused a row, or if contention outlasted the attempts: the
    status becomes 'failed', and the next call tries again. Raises what interrupts the calling thread: the status
    becomes 'cancelled'. In all these cases production is unchanged, or holds whole chunks. With whole chunks the reload
    stays 'merging' in the ledger, with the reason.
    """
    merge = _Merge(target, ledger, reload, tables, zone, patience, reread, fenced)
    try:
        return merge.run()
    except NeverMergeable as error:
        merge.close("failed", str(error), can_go_on=False)
        raise
    except MergeFailed as error:
        merge.close("failed", str(error))
        raise
    except (ReloadRefused, LedgerError):
        raise
    except Exception as error:
        merge.close("failed", _named(error))
        raise
    except BaseException as error:
        merge.close("cancelled", f"The merge was interrupted by {_named(error)}.")
        raise


# The SQLSTATE of idle_in_transaction_session_timeout. The broken connection often loses it.
_IDLE_TIMEOUT = "25P03"


class _SessionLost(Exception):
    """The connection broke before anything was committed, and the server gave no reason."""


class _Stopped(Exception):
    """The calling thread was interrupted. It raises the interrupt itself."""


class _Merge:
    def __init__(
        self,
        target: TargetDatabase,
        ledger: Ledger,
        reload: Reload,
        tables: Sequence[ReloadTable],
        zone: ZoneInfo,
        patience: Patience,
        reread: Reread | None,
        fenced: bool,
    ) -> None:
        self._target, self._ledger, self._reload, self._tables, self._zone = target, ledger, reload, tables, zone
        self._patience, self._reread, self._fenced = patience, reread, fenced
        self._all_statements: list[MergeStatements] = []
        self._current: MergeStatements | None = None
        self._attempts = 0
        self._chunks = 0
        # The result of the transaction that is about to be committed. If the connection breaks then, the commit may
        # still have gone through.
        self._ready: MergeResult | None = None

    def run(self) -> MergeResult:
        """Merge, with a new session if one was lost before its commit, as happens when this process was suspended."""
        while True:
            try:
                return self._run()
            except _SessionLost as lost:
                if self._attempts >= self._patience.attempts:
                    raise MergeSessionLost(self._head, self._patience.stall_limit_ms) from lost.__cause__
                _LOG.info("%s: attempt %d lost its session", self._reload.title, self._attempts)

    def _run(self) -> MergeResult:
        connection = self._target.connect()
        try:
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            connection.read_only = False
            # Check before the ledger says that a merge begins; the merge's own transaction checks again.
            set_up(connection, self._patience.lock_timeout_ms, self._patience.stall_limit_ms)
            self._all_statements = require_mergeable(connection, self._reload, self._tables, self._zone)
            if self._ledger.get(self._reload.reload_id).status == "failed":
                # Its row is locked here, and all the rest is looked at once more in the merge's own transaction.
                connection.rollback()
                self._reload = self._ledger.take_up_failed(self._reload)
                self._all_statements = require_mergeable(connection, self._reload, self._tables, self._zone)
            in_chunks = self._cuts()
            if in_chunks:
                # Each chunk counts only its own rows, so the whole table is counted here.
                for statements in self._all_statements:
                    count_verified(connection, statements)
            connection.rollback()
            self._chunks = sum(statements.staged.merge_chunks for statements in self._all_statements)
            self._ledger.set_merge_started(self._reload.reload_id)
            with Transactions(
                self._target,
                connection,
                lock_timeout_ms=self._patience.lock_timeout_ms,
                stall_limit_ms=self._patience.stall_limit_ms,
                attempts=self._patience.attempts,
            ) as transactions:
                work = partial(self._run_all, connection, transactions, in_chunks)
                return run_cancellable(connection, work)
        except psycopg.Error as error:
            lost = connection.closed
            if lost and not self._ready and error.sqlstate in (None, _IDLE_TIMEOUT):
                raise _SessionLost from error
            failed = explain(self._target, self._head, self._all_statements, self._current, error)
            if lost and self._ready and self._was_committed(str(failed)):
                return self._ready
            raise failed from error
        finally:
            connection.close()

    def close(self, status: Literal["failed", "cancelled"], text: str, *, can_go_on: bool = True) -> bool:
        """Write into the ledger, on a separate connection, why the merge failed. Returns whether the ledger took it.

        A merge that has committed some of its chunks stays 'merging', as the next call resumes it, unless it never can.
        """
        try:
            if can_go_on and self._ledger.interrupt_merge(self._reload.reload_id, text):
                return True
            return self._ledger.close(self._reload.reload_id, status, text)
        except (psycopg.Error, TargetError):
            # Only log this: the first error is the one to raise.
            _LOG.warning("%s: the ledger could not be written: %s", self._reload.title, text, exc_info=True)
            return False

    def _was_committed(self, text: str) -> bool:
        """Return whether the server committed, although the connection broke before it could report that."""
        return not self.close("failed", text) and self._ledger.get(self._reload.reload_id).status == "merged"

    @property
    def _head(self) -> str:
        """The beginning of messages: it says in what state the merge is."""
        if not self._chunks:
            return f"{self._reload.title} is not merged and production is unchanged:"
        return (
            f"{self._reload.title} is merged in part ({self._chunks} chunks are in production and stay; materialize "
            "production of the window again to go on after them):"
        )

    def _run_all(
        self, connection: Connection[Any], transactions: Transactions, in_chunks: bool, stop: threading.Event
    ) -> MergeResult:
        started = time.monotonic()
        step = partial(self._step, connection, self._merge_chunk if in_chunks else self._merge_all, started)

        def rest(seconds: float) -> None:
            if stop.wait(seconds):
                raise _Stopped

        while True:
            try:
                result = transactions.run(
                    self._reload.title, step, foreign_key_attempts=_FOREIGN_KEY_ATTEMPTS, sleep=rest
                )
            except Contended as error:
                raise (self._yielded() if error.yielded else self._contended(error.met)) from error.met
            self._chunks += 1
            if result is not None:
                return replace(result, seconds=time.monotonic() - started)

    def _cuts(self) -> bool:
        """Return whether the merge runs in chunks. If it should but cannot, the log says why."""
        if self._reload.status == "merging":
            return True
        if self._patience.chunk_rows is None:
            return False
        tables = [statements.table for statements in self._all_statements]
        if reason := inseparable(tables):
            _LOG.info("%s is merged in one transaction: %s", self._reload.title, reason)
        for table in tables:
            if why := uncut_because(table):
                _LOG.info("%s: %s is merged in one transaction: %s", self._reload.title, table.target, why)
        return reason is None

    def _step(
        self,
        connection: Connection[Any],
        step: Callable[[Connection[Any]], dict[str, Outcomes] | None],
        started: float,
    ) -> MergeResult | None:
        """Do the work of one transaction. Returns the result if it is the last one."""
        self._attempts += 1
        self._ready, self._current = None, None
        outcomes = step(connection)
        if outcomes is not None:
            self._ready = MergeResult(outcomes, self._attempts, time.monotonic() - started, self._chunks + 1)
        return self._ready

    def _merge_all(self, connection: Connection[Any]) -> dict[str, Outcomes]:
        """Merge every table in the current transaction. Returns their outcomes."""
        self._begin(connection)
        require_late_parents(connection, self._all_statements)
        prefer_probes(connection)
        outcomes = {
            statements.table.name: self._merge_table(connection, statements) for statements in self._all_statements
        }
        self._end(connection)
        self._set_merged(connection)
        return outcomes

    def _merge_chunk(self, connection: Connection[Any]) -> dict[str, Outcomes] | None:
        """Merge the chunk that the ledger has as the next. After the last one, returns the outcomes of all tables."""
        self._begin(connection)
        left = [statements for statements in self._all_statements if statements.staged.merge_ended_at is None]
        if left:
            self._current = left[0]
            statements = next_chunk(connection, left[0], self._patience.chunk_rows or _REST)
            if statements.keys == EVERY_KEY:
                require_late_parents(connection, [statements])
            prefer_probes(connection)
            self._merge_table(connection, statements)
            self._end(connection)
            if len(left) > 1 or statements.keys.upto is not None:
                self._require_written(run(connection, "ledger/merge:set_merging", reload_id=self._reload.reload_id))
                return None
        self._set_merged(connection)
        return merged_outcomes(connection, self._reload)

    def _begin(self, connection: Connection[Any]) -> None:
        self._all_statements = require_mergeable(connection, self._reload, self._tables, self._zone)
        if self._deferrable:
            defer_constraints(connection)

    def _end(self, connection: Connection[Any]) -> None:
        self._current = None
        if self._deferrable:
            check_constraints(connection)

    @property
    def _deferrable(self) -> bool:
        return any(table.production.has_deferrable for table in self._tables)

    def _merge_table(self, connection: Connection[Any], statements: MergeStatements) -> Outcomes:
        self._current = statements
        before = {other.table.target: other for other in self._all_statements if other.position < statements.position}
        later = {other.table.target for other in self._all_statements if other.position >= statements.position}
        return TableMerge(connection, statements, before, later, self._reread, self._fenced).run()

    def _set_merged(self, connection: Connection[Any]) -> None:
        self._require_written(run(connection, "ledger/merge:set_merged", reload_id=self._reload.reload_id))

    def _require_written(self, written: Cursor[Any]) -> None:
        if written.rowcount != 1:
            raise ReloadEndedMeanwhile(self._reload.title)

    def _yielded(self) -> MergeFailed:
        return MergeYielded(self._head, self._patience.attempts, self._patience.stall_limit_ms)

    def _contended(self, error: Exception) -> MergeFailed:
        place = self._current.table.target if self._current else "the ledger or a staging table"
        met = str(error)
        if isinstance(error, psycopg.Error):
            met = "; ".join(part for part in (error.diag.message_primary, error.diag.context) if part)
        patience = self._patience
        return MergeContended(self._head, patience.attempts, place, patience.lock_timeout_ms, " ".join(met.split()))


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
