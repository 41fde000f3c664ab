"""The application beside the reloads: executes what the model draws, in transactions of every kind, until stopped."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql

from reload_assets_tests.campaigns.model import Change, Model, Transaction
from reload_assets_tests.campaigns.schema import SOURCE_SCHEMA, Row, TableSpec

_PAUSE_SECONDS = 0.016
"""The mean pause between two steps."""
_CALMING, _CALMEST = 2.0, 20.0
"""By what factor the pause grows with each second of quiet, and by what at most."""
_MOST_OPEN = 2


@dataclass(frozen=True)
class Committed:
    """What one transaction did, and when it was committed (``time.time()``)."""

    at: float
    changes: Sequence[Change]


@dataclass
class _Session:
    """A connection whose transaction stays open for some steps."""

    connection: Connection[Any]
    transaction: Transaction | None = None
    changes: Sequence[Change] = ()
    until_step: int = 0


class Writer(threading.Thread):
    """One thread with several sessions; which step follows which is fixed by the seed, only their pace is not."""

    def __init__(self, url: str, model: Model, seed: str, quiet_seconds: Callable[[], float]) -> None:
        """``quiet_seconds`` returns for how long no reload has needed a fast writer."""
        super().__init__(name="campaign writer", daemon=True)
        self._url, self._model, self._quiet_seconds = url, model, quiet_seconds
        self._rng = random.Random(seed)
        # A random generator of its own, so that the pace does not change what is drawn.
        self._pace = random.Random(f"{seed} pace")
        self._end = threading.Event()
        self._error: BaseException | None = None
        self.journal: list[Committed] = []

    def stop(self) -> None:
        """End all transactions and wait for it. Raises what went wrong in the thread."""
        self._end.set()
        self.join()
        if self._error:
            raise self._error

    def run(self) -> None:
        try:
            with ExitStack() as stack:
                # Its sessions never wait for each other, unless the model is wrong about locks.
                main, *others = (
                    stack.enter_context(psycopg.connect(self._url, options="-c lock_timeout=5s"))
                    for _ in range(1 + _MOST_OPEN)
                )
                sessions = [_Session(connection) for connection in others]
                step = 0
                while not self._end.wait(self._pace.expovariate(1) * self._pause()):
                    self._step(step, main, sessions)
                    step += 1
                for session in sessions:
                    if session.transaction:
                        self._close(session)
        except BaseException as error:  # carried over to whoever stops the writer
            self._error = error

    def _pause(self) -> float:
        """Return the mean pause (seconds). It grows after a second of quiet; otherwise a confirm would never end."""
        return _PAUSE_SECONDS * min(max(1.0, _CALMING * self._quiet_seconds()), _CALMEST)

    def _step(self, step: int, main: Connection[Any], sessions: Sequence[_Session]) -> None:
        for session in sessions:
            if session.transaction and step >= session.until_step:
                self._close(session)
                return
        idle = next((session for session in sessions if session.transaction is None), None)
        if idle and self._rng.random() < 0.06:
            idle.transaction = self._model.begin()
            idle.changes = self._changes(idle.connection, idle.transaction, self._rng.randint(1, 3))
            idle.until_step = step + self._rng.randint(8, 70)
            return
        transaction = self._model.begin()
        changes = self._changes(main, transaction, self._rng.choice((1, 1, 1, 1, 2, 3, 5)))
        self._end_transaction(main, transaction, changes, keep=self._rng.random() < 0.95)

    def _close(self, session: _Session) -> None:
        assert session.transaction is not None
        self._end_transaction(session.connection, session.transaction, session.changes, keep=self._rng.random() < 0.85)
        session.transaction = None

    def _changes(self, connection: Connection[Any], transaction: Transaction, wanted: int) -> list[Change]:
        done: list[Change] = []
        for _ in range(wanted):
            if self._rng.random() < 0.07:
                mark = self._model.savepoint(transaction)
                connection.execute("SAVEPOINT half")
                self._execute(connection, self._model.change(transaction))
                connection.execute("ROLLBACK TO SAVEPOINT half")
                self._model.rollback_to(transaction, mark)
            changes = self._model.change(transaction)
            self._execute(connection, changes)
            done += changes
        return done

    def _end_transaction(
        self, connection: Connection[Any], transaction: Transaction, changes: Sequence[Change], *, keep: bool
    ) -> None:
        if keep:
            connection.commit()
            self._model.commit(transaction)
            self.journal.append(Committed(time.time(), changes))
        else:
            connection.rollback()
            self._model.rollback(transaction)

    def _execute(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        for change in changes:
            cursor = connection.execute(*_statement(change))
            if cursor.rowcount != 1:
                raise AssertionError(f"The model and the source differ: {change.spec.name}, {change}")


def _statement(change: Change) -> tuple[sql.Composed, list[Any]]:
    table = sql.Identifier(SOURCE_SCHEMA, change.spec.oracle.name)
    if change.before is None:
        assert change.after is not None
        names = sql.SQL(", ").join(_name(column) for column in change.after)
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(change.after))
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(table, names, marks), _stored(
            change.spec, change.after
        )
    same, key = _same_key(change.spec, change.before)
    if change.after is None:
        return sql.SQL("DELETE FROM {} WHERE {}").format(table, same), key
    altered = {column: value for column, value in change.after.items() if value != change.before[column]}
    # An update that alters nothing is one all the same.
    altered = altered or {column: change.after[column] for column in change.spec.content}
    assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(_name(column)) for column in altered)
    return sql.SQL("UPDATE {} SET {} WHERE {}").format(table, assignments, same), [*_stored(change.spec, altered), *key]


def _same_key(spec: TableSpec, row: Row) -> tuple[sql.Composed, list[Any]]:
    condition = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(_name(column)) for column in spec.key)
    return condition, _stored(spec, {column: row[column] for column in spec.key})


def _stored(spec: TableSpec, row: Row) -> list[Any]:
    return [spec.stored(column, value) for column, value in row.items()]


def _name(column: str) -> sql.Identifier:
    return sql.Identifier(column.upper())
