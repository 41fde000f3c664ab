"""Batch apply (BatchApplyEnabled): reduces the changes of many transactions to their net effect, applied in bulk.

Changes of one key are merged as in DMS's engine: an insert and a later delete become nothing, a delete and a later
insert become an update. So a bulk statement may meet no row, or leave a row alone, that the same changes would have met
one by one. Nothing is logged then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from reload_assets.local.dms.apply import AGAIN, DEADLOCK, PAUSE, of_statement
from reload_assets.local.dms.changes import Statement, TablePlan, TargetChange
from reload_assets.local.dms.control_tables import ControlTables
from reload_assets.local.dms.engine import Measures
from reload_assets.local.dms.pgoutput import Row

_log = logging.getLogger(__name__)

_NOTHING = "nothing"
# (net effect so far, next change of the key) -> net effect; for other pairs the net effect is the next change itself.
_MERGED = {
    ("insert", "update"): "insert",
    ("insert", "delete"): _NOTHING,
    ("delete", "insert"): "update",
}


class OneByOne(Exception):
    """Changes cannot be reduced, and are applied one by one."""


@dataclass(frozen=True)
class NetChange:
    """The net effect of one key's changes: insert, update, delete or nothing. ``row`` holds the columns written."""

    kind: str
    plan: TablePlan
    key: Row
    row: Row

    def statement(self, verb: str) -> Statement:
        """Return the net change, or the part ``verb`` of it."""
        load = self.plan.load
        row = {} if verb == "delete" else self.row
        return Statement(verb, load.target_schema, load.target_table, row, {} if verb == "insert" else self.key)


def net_changes(changes: Iterable[TargetChange]) -> list[NetChange]:
    """Return the changes reduced to one per key, in the order in which the keys first appear.

    Raises OneByOne for a truncated table, a table without a primary key, and a changed key whose row is unknown.
    """
    found: dict[tuple[Any, ...], NetChange] = {}

    def add(kind: str, plan: TablePlan, key: Row, row: Row) -> None:
        place = _place(plan, key)
        before = found.get(place)
        if before and kind == "update":
            row = {**before.row, **row}
        found[place] = NetChange(_MERGED.get((before.kind if before else "", kind), kind), plan, key, row)

    for change in changes:
        plan = change.plan
        if change.kind == "truncate" or not plan.has_primary_key:
            raise OneByOne
        if change.kind == "update" and change.old_key != change.new_key:
            before = found.get(_place(plan, change.old_key))
            row = {**(before.row if before else {}), **change.row}
            if not plan.is_whole(row):
                raise OneByOne
            add("delete", plan, change.old_key, {})
            add("insert", plan, change.new_key, row)
        else:
            key = change.old_key if change.kind == "delete" else change.new_key
            add(change.kind, plan, key, change.row)
    return list(found.values())


def _place(plan: TablePlan, key: Row) -> tuple[Any, ...]:
    return plan.load.target_schema, plan.load.target_table, *key.values()


def _alike(statements: Iterable[Statement]) -> Iterable[Sequence[Statement]]:
    """Return groups of statements that differ only in their values, in the order of each group's first statement."""
    found: dict[tuple[Any, ...], list[Statement]] = {}
    for one in statements:
        found.setdefault((one.verb, one.schema, one.table, tuple(one.row)), []).append(one)
    return found.values()


class BatchApplier:
    """Applies batches over one connection. ``behavior`` is the ErrorBehavior of the task's settings.

    If a policy turns conflicting inserts or updates of missing rows into rows, rows are deleted first and then
    inserted, as DMS does in batches.
    """

    def __init__(
        self,
        target: psycopg.Connection[Any],
        control: ControlTables,
        behavior: Mapping[str, Any],
        measures: Measures,
        *,
        pause: Callable[[float], None],
    ) -> None:
        self._target, self._control, self._measures, self._pause = target, control, measures, pause
        self._replaced = set()
        if behavior["ApplyErrorInsertPolicy"] == "INSERT_RECORD":
            self._replaced |= {"insert", _NOTHING}
        if behavior["ApplyErrorUpdatePolicy"] == "UPDATE_RECORD":
            self._replaced |= {"update"}

    def apply(self, changes: Sequence[TargetChange], end: int) -> bool:
        """Apply the changes and the checkpoint ``end`` in one transaction.

        Returns False, and changes nothing, if they have to be applied one by one. Raises psycopg.Error if the
        connection or the server fails.
        """
        carried = [change for change in changes if change.plan.run.state != "Table error"]
        try:
            statements = list(self._statements(net_changes(carried)))
            while not self._execute(statements, end):
                self._pause(PAUSE)
        except OneByOne:
            return False
        except psycopg.Error as error:
            if not error.sqlstate or not of_statement(error.sqlstate):
                raise
            _log.info("A bulk statement failed (%s); its batch is applied one by one.", error.diag.message_primary)
            return False
        for change in carried:
            change.plan.run.changes[change.kind] += 1
        return True

    def _statements(self, changes: Sequence[NetChange]) -> Iterator[Statement]:
        for one in changes:
            if one.kind == "delete" or one.kind in self._replaced:
                yield one.statement("delete")
        for one in changes:
            if one.kind == "update" and one.kind in self._replaced and not one.plan.is_whole(one.row):
                raise OneByOne
            if one.kind == "insert" or (one.kind == "update" and one.kind in self._replaced):
                yield one.statement("insert")
        for one in changes:
            if one.kind == "update" and one.kind not in self._replaced:
                yield one.statement("update")

    def _execute(self, statements: Sequence[Statement], end: int) -> bool:
        """Execute the statements. Returns False if they have to be tried again."""
        try:
            with self._target.transaction():
                for rows in _alike(statements):
                    with self._measures.statement(), self._target.cursor() as cursor:
                        cursor.executemany(rows[0].query(), [one.values() for one in rows])
                self._control.reach(end)
        except psycopg.Error as error:
            if error.sqlstate not in AGAIN:
                raise
            self._measures.deadlocks += error.sqlstate in DEADLOCK
            return False
        return True
