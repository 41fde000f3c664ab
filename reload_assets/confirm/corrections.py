"""Writes the corrections of one pass into production, as the merge does: in one transaction, or in chunks.

A refused row does not stop the others. All corrections are tried together first. If production refuses a row, they are
made in batches, which shrink until the refused row is alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets.confirm.batch import make_corrections
from reload_assets.confirm.chains import number_chains
from reload_assets.confirm.holders import held_by
from reload_assets.confirm.refusals import TAKEN, Refusal, is_refusal, reason_of
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.confirm.verdicts import REMOVED, WRITTEN, Verdict
from reload_assets.errors.merge import CorrectionsContended
from reload_assets.merge import Patience
from reload_assets.merge.chunks import inseparable
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.transaction import Contended, Transactions

_LOG = logging.getLogger(__name__)
# More rows than any table has: no limit.
_ALL = 2**62


class Corrections:
    """Corrects production by the verdicts. ``connection`` is in autocommit mode and holds the temporary tables.

    ``patience.chunk_rows`` limits the rows that one transaction corrects. Without it one transaction corrects all.
    """

    def __init__(
        self,
        target: TargetDatabase,
        connection: Connection[Any],
        all_statements: Sequence[ConfirmStatements],
        patience: Patience,
    ) -> None:
        self._connection, self._all_statements, self._attempts = connection, all_statements, patience.attempts
        self._transactions = partial(
            Transactions,
            target,
            connection,
            lock_timeout_ms=patience.lock_timeout_ms,
            stall_limit_ms=patience.stall_limit_ms,
            attempts=patience.attempts,
        )
        chunk_rows = patience.chunk_rows
        self._in_chunks = (
            chunk_rows is not None and inseparable([statements.merge.table for statements in all_statements]) is None
        )
        self._most = chunk_rows if self._in_chunks and chunk_rows else _ALL
        # The maximum number of rows of the next batch, and the number of rows of the last one.
        self._size = self._most
        self._released = 0

    def apply(self) -> int:
        """Write the corrections. Returns how many rows were changed. Puts off rows that somebody else wrote meanwhile.

        A row that production refuses gets the verdict blocked, with the reason; the others are corrected nevertheless.
        Raises MergeFailed if contention outlasts the attempts. Chunks that were committed stay.
        """
        with self._transactions() as transactions:
            if not self._in_chunks:
                return self._attempt(transactions, self._apply_in_one)
            self._run_each("6_correct:hold_back")
            changed = self._apply_in_batches(partial(self._attempt, transactions))
            self._run_each("6_correct:end_corrections")
            return changed

    def _apply_in_one(self) -> int:
        self._run_each("6_correct:hold_back")
        try:
            with self._connection.transaction():
                self._run_each("6_correct:release_all")
                changed = make_corrections(self._connection, self._all_statements, swapping=True)
        except (Refusal, psycopg.Error) as error:
            if isinstance(error, psycopg.Error) and not is_refusal(error):
                raise
            _LOG.info("confirm: in batches, because of %s", error)
            changed = self._apply_in_batches(self._in_savepoint)
        self._run_each("6_correct:end_corrections")
        return changed

    def _apply_in_batches(self, execute: Callable[[Callable[[], int]], int]) -> int:
        """Make every correction that production takes in batches, each by ``execute``. Returns how many rows changed.

        Children are deleted before parents, and parents written before children. Refused corrections are tried again
        as long as others succeed, since those may have stood in their way.
        """
        changed = 0
        while True:
            taken = sum(
                self._apply_batches(statements, REMOVED, 0, execute) for statements in reversed(self._all_statements)
            )
            for statements in self._all_statements:
                chains = number_chains(self._connection, statements)
                taken += sum(self._apply_batches(statements, WRITTEN, batch, execute) for batch in range(chains + 1))
            changed += taken
            if not taken or not self._run_each("6_correct:hold_again"):
                return changed

    def _apply_batches(
        self,
        statements: ConfirmStatements,
        verdicts: Sequence[Verdict],
        batch: int,
        execute: Callable[[Callable[[], int]], int],
    ) -> int:
        """Make the corrections of one number: a chain at once, others in batches that shrink after a refusal."""
        changed = 0
        most = _ALL if batch or _refers_to_itself(statements) else self._most
        self._size = most

        def work() -> int:
            self._released = self._release(statements, verdicts, batch)
            return make_corrections(self._connection, [statements], swapping=batch > 0) if self._released else 0

        while True:
            self._released = 0
            try:
                changed += execute(work)
                self._size = min(most, 2 * self._size)
            except (Refusal, psycopg.Error) as error:
                if isinstance(error, psycopg.Error) and not is_refusal(error):
                    raise
                if batch or self._released == 1:
                    self._refuse(statements, verdicts, batch, error)
                else:
                    self._size = self._released // 2
            if not self._released:
                return changed

    def _release(self, statements: ConfirmStatements, verdicts: Sequence[Verdict], batch: int) -> int:
        # A chain is never split: its rows depend on each other.
        most = _ALL if batch else self._size
        values = {"verdicts": [verdict.value for verdict in verdicts], "batch": batch, "most": most}
        return statements.run(self._connection, "6_correct:release_batch", **values).rowcount

    def _refuse(
        self, statements: ConfirmStatements, verdicts: Sequence[Verdict], batch: int, error: Refusal | psycopg.Error
    ) -> None:
        table = statements.merge.table
        reason = error.reason if isinstance(error, Refusal) else reason_of(table, error)
        with self._connection.transaction():
            self._release(statements, verdicts, batch)
            if isinstance(error, psycopg.Error) and error.sqlstate in TAKEN:
                reason = held_by(self._connection, statements, error.diag.constraint_name) or reason
            _LOG.info("%s: a correction of %s was refused: %s", statements.merge.reload.title, table.target, reason)
            statements.run(self._connection, "6_correct:refuse_batch", refusal=reason)

    def _in_savepoint(self, work: Callable[[], int]) -> int:
        with self._connection.transaction():
            return work()

    def _attempt(self, transactions: Transactions, work: Callable[[], int]) -> int:
        """Do some work in a separate transaction. Tries again if it met another session's lock."""
        try:
            return transactions.run("confirm", work, after_contention=self._shrink)
        except Contended as error:
            raise CorrectionsContended(self._all_statements[0].merge.reload.title, self._attempts) from error

    def _shrink(self) -> None:
        # A smaller batch holds its locks for a shorter time.
        self._size = max(1, self._released // 2)

    def _run_each(self, name: str) -> int:
        return sum(statements.run(self._connection, name).rowcount for statements in self._all_statements)


def _refers_to_itself(statements: ConfirmStatements) -> bool:
    """Return whether rows of the table refer to each other, and so have to be written together."""
    table = statements.merge.table
    return any(key.parent_in([table.target]) for key in table.production.every_foreign_key)
