"""Reads the rows that DMS's validation lists as failures, and turns each into a finding.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Validating.html describes the tables that DMS writes them into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import class_row

from reload_assets.dms.validation import MOST_FAILURES_OF_A_TABLE, MOST_FAILURES_OF_A_TASK
from reload_assets.errors import ConfigError, SourceUnavailable
from reload_assets.errors.cdc import ControlTableDenied
from reload_assets.errors.validation import FailureUnreadable, ValidationWarned
from reload_assets.finders.finding import Finding, Key
from reload_assets.finders.keys import as_given, described, unfit
from reload_assets.finders.watched import WatchedTable, WatchedTables
from reload_assets.postgres.statements import compose, run
from reload_assets.tables import ReloadTable

_LISTS = {
    "awsdms_validation_failures_v1": "finders/validation:list_failures_v1",
    "awsdms_validation_failures_v2": "finders/validation:list_failures_v2",
}
_LONGEST_KEY_SHOWN = 80
# Failures whose keys are checked at once.
_BATCH = 10_000
# Neither is a character that PostgreSQL's text can hold.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")

Resolve = Callable[[WatchedTable], tuple[ReloadTable, Sequence[Sequence[str]]]]
"""Completes a table from both catalogs, and returns the source's unique keys with it, the primary key first.

None of them is known without a source connection. Raises ConfigError and SourceUnavailable.
"""


@dataclass(frozen=True)
class Failure:
    """A row of DMS's table ``place``. ``of_table`` and ``of_task`` count the rows that its task has listed so far."""

    task: str
    owner: str
    table_name: str
    failed_at: datetime
    key_type: str
    key: str
    kind: str
    evidence_id: str
    of_table: int
    of_task: int


@dataclass
class FoundFailures:
    """What DMS's tables list and nobody has taken up yet.

    ``problems`` are sentences with codes: warnings of DMS, and failures that cannot be reloaded as they are. ``others``
    counts the failures of tables that are in no group.
    """

    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    others: int = 0


def find_failures(
    connection: Connection[Any],
    control_schema: str,
    tables: WatchedTables[WatchedTable],
    resolve: Resolve,
    task: str | None = None,
    most: int | None = None,
) -> FoundFailures:
    """Read the failures of a task (the last part of its ARN), or of all tasks, that are not in ``admin.findings``.

    About ``most`` of them are returned as findings; the next call returns others. Nothing is written. If this login may
    not read one of DMS's tables, that is a problem, once the other's failures are known. Else it raises
    ControlTableDenied. Where there are none, nothing was found.
    """
    found = FoundFailures()
    denied: ControlTableDenied | None = None
    for (name,) in run(connection, "finders/validation:list_failure_tables", control_schema=control_schema).fetchall():
        place = f"{control_schema}.{name}"
        by_table: dict[WatchedTable, list[Failure]] = {}
        try:
            failures = _failures(connection, control_schema, name, task)
        except ControlTableDenied as error:
            denied = error
            continue
        for failure in failures:
            named = tables.named(failure.owner, failure.table_name)
            if not named:
                found.others += 1
            elif failure.kind == "TABLE_WARNING":
                target = str(named[0].target)
                instant = f"{failure.failed_at:%FT%TZ}"
                found.problems.append(str(ValidationWarned(place, target, failure.task, instant)))
            elif len(named) > 1:
                either = " and ".join(str(one.target) for one in named)
                found.problems.append(_unreadable(place, failure, f"its table may be any of {either}"))
            else:
                by_table.setdefault(named[0], []).append(failure)
        for table, of_table in by_table.items():
            _Listed(connection, place, table, of_table).take(resolve, most, found)
    if denied is not None:
        # What was found has to be asked for first.
        if not found.findings:
            raise denied
        found.problems.insert(0, str(denied))
    return found


def _failures(connection: Connection[Any], schema: str, name: str, task: str | None) -> list[Failure]:
    """Return the rows of one of DMS's tables, each once."""
    statement = compose(_LISTS[name], {"control_schema": schema})
    try:
        with connection.cursor(row_factory=class_row(Failure)) as cursor:
            values = {"control_schema": schema, "task_name": task}
            rows = cursor.execute(statement, values).fetchall()
    except InsufficientPrivilege:
        raise ControlTableDenied(f"{schema}.{name}") from None
    return list({row.evidence_id: row for row in rows}.values())


@dataclass(frozen=True)
class _Listed:
    """The failures of one table that one of DMS's tables, ``place``, lists."""

    connection: Connection[Any]
    place: str
    watched: WatchedTable
    failures: Sequence[Failure]

    def take(self, resolve: Resolve, most: int | None, found: FoundFailures) -> None:
        """Add the failures to what was found, until that has ``most`` findings."""
        try:
            table, source_keys = resolve(self.watched)
        except (ConfigError, SourceUnavailable) as error:
            # They are taken up once the table can be reloaded.
            found.problems.append(f"{len(self.failures)} failures in {self.place} wait for this: {error}")
            return
        orders = key_orders(table, source_keys)
        for start in range(0, len(self.failures), _BATCH):
            if most is not None and len(found.findings) >= most:
                return
            self._take_batch(self.failures[start : start + _BATCH], table, orders, found)

    def _take_batch(
        self, failures: Sequence[Failure], table: ReloadTable, orders: Sequence[Sequence[str]], found: FoundFailures
    ) -> None:
        read: list[tuple[Failure, list[Key]]] = []
        for failure in failures:
            try:
                read.append((failure, read_keys(failure, table, orders)))
            except ValueError as error:
                found.problems.append(_unreadable(self.place, failure, str(error)))
        columns = [column.target for column in table.key]
        wrong = unfit(self.connection, columns, [key for _, keys in read for key in keys])
        for failure, keys in read:
            if fitting := [key for key in keys if key not in wrong]:
                found.findings.append(_finding(self.place, self.watched, failure, fitting))
            else:
                why = f"its values do not fit the key ({described(columns)})"
                found.problems.append(_unreadable(self.place, failure, why))


def key_orders(table: ReloadTable, source_keys: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the orders in which DMS may list the values of a table's key, as columns of production.

    DMS documents no order for a key of several columns. It may be that of either side's primary key, or that of the
    columns in either table. Returns none if the table is reloaded by another key than the one that DMS compares by.
    """
    ours = {column.name for column in table.key}
    by_source = {column.source: column.name for column in table.columns}
    primary = [table.production.primary_key] if table.production.primary_key else []
    primary += [[by_source.get(name, name) for name in keys] for keys in source_keys[:1]]
    if not primary or any(set(columns) != ours for columns in primary):
        return []
    orders = [
        *primary,
        [column.name for column in table.columns if column.name in ours],
        [name for name in table.production.column_names if name in ours],
    ]
    return [list(order) for order in dict.fromkeys(map(tuple, orders))]


def read_keys(failure: Failure, table: ReloadTable, orders: Sequence[Sequence[str]]) -> list[Key]:
    """Return the keys that a failure may name, in the order of our key's columns; more than one if the order is open.

    A key that no row has does no harm: its reload finds nothing. Raises ValueError, with the reason as a clause.
    """
    if not orders:
        columns = ", ".join(column.name for column in table.key)
        raise ValueError(f"the table is reloaded by ({columns}), which is not the primary key that DMS gives")
    if failure.key_type.lower() != "row":
        raise ValueError(f"its KEY_TYPE is {failure.key_type!r}, not 'Row'")
    try:
        document = json.loads(failure.key, strict=False, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        document = None
    values = document.get("key") if isinstance(document, dict) else None
    if not isinstance(values, list) or not all(value is None or isinstance(value, str) for value in values):
        raise ValueError("it is not JSON with a list of values")
    if len(values) != len(table.key):
        raise ValueError(f"it has {len(values)} values for {len(table.key)} columns")
    if any(value is None or _NO_TEXT.search(value) for value in values):
        raise ValueError("it has a value that no key of production has")
    named = [dict(zip(order, values, strict=True)) for order in orders]
    keys = [tuple(as_given(one[column.name], column.target) for column in table.key) for one in named]
    return list(dict.fromkeys(keys))


def _finding(place: str, table: WatchedTable, failure: Failure, keys: Sequence[Key]) -> Finding:
    return Finding(
        finder="validation",
        evidence_id=failure.evidence_id,
        group=table.group,
        table=table.name,
        keys=keys,
        window=None,
        # Not DETAILS, which holds the values of other columns.
        evidence={"listed in": place, "task": failure.task, "kind": failure.kind},
        seen_at=failure.failed_at,
        # At its limit DMS stops to compare a table, or all tables of the task.
        is_complete=failure.of_table < MOST_FAILURES_OF_A_TABLE and failure.of_task < MOST_FAILURES_OF_A_TASK,
    )


def _unreadable(place: str, failure: Failure, why: str) -> str:
    shown = " ".join(failure.key.split())
    if len(shown) > _LONGEST_KEY_SHOWN:
        shown = f"{shown[:_LONGEST_KEY_SHOWN]}..."
    return str(FailureUnreadable(place, f"{failure.owner}.{failure.table_name}", shown, why))
