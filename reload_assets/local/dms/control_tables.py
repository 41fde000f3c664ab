"""DMS's control tables on the target: apply exceptions, the task's status, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from reload_assets.local.dms.changelog import shown

_EXCEPTIONS = """
CREATE TABLE {schema}.awsdms_apply_exceptions (
    "TASK_NAME" varchar(128) NOT NULL,
    "TABLE_OWNER" varchar(128) NOT NULL,
    "TABLE_NAME" varchar(128) NOT NULL,
    "ERROR_TIME" timestamp NOT NULL,
    "STATEMENT" text NOT NULL,
    "ERROR" text NOT NULL
)
"""
_STATUS = """
CREATE TABLE {schema}.awsdms_status (
    server_name varchar(128) NOT NULL,
    task_name varchar(128) NOT NULL,
    task_status varchar(32),
    status_time timestamp,
    pending_changes int8,
    disk_swap_size int8,
    task_memory int8,
    source_current_position varchar(128),
    source_current_timestamp timestamp,
    source_tail_position varchar(128),
    source_tail_timestamp timestamp,
    source_timestamp_applied timestamp,
    UNIQUE (server_name, task_name)
)
"""
_STATE = """
CREATE TABLE {schema}.awsdms_txn_state (
    task_name varchar(128) NOT NULL,
    slot varchar(64) PRIMARY KEY,
    checkpoint varchar(128) NOT NULL
)
"""
_LOG_EXCEPTION = """
INSERT INTO {schema}.awsdms_apply_exceptions
VALUES (%s, %s, %s, clock_timestamp() AT TIME ZONE 'UTC', %s, %s)
"""
_CHECKPOINT = "SELECT checkpoint::pg_lsn - '0/0' FROM {schema}.awsdms_txn_state WHERE slot = %s"
_START = "INSERT INTO {schema}.awsdms_txn_state VALUES (%s, %s, %s)"
_REACH = "UPDATE {schema}.awsdms_txn_state SET checkpoint = %s WHERE slot = %s"
_APPLIED = "SELECT source_timestamp_applied FROM {schema}.awsdms_status WHERE server_name = %s AND task_name = %s"
_WRITE_STATUS = """
INSERT INTO {schema}.awsdms_status
VALUES (%s, %s, 'CHANGE PROCESSING', clock_timestamp() AT TIME ZONE 'UTC', %s, 0, 0, %s, %s, %s, %s, %s)
ON CONFLICT (server_name, task_name) DO UPDATE SET
    task_status = excluded.task_status,
    status_time = excluded.status_time,
    pending_changes = excluded.pending_changes,
    source_current_position = excluded.source_current_position,
    source_current_timestamp = excluded.source_current_timestamp,
    source_tail_position = excluded.source_tail_position,
    source_tail_timestamp = excluded.source_tail_timestamp,
    source_timestamp_applied = excluded.source_timestamp_applied
"""
_END_STATUS = """
UPDATE {schema}.awsdms_status SET task_status = 'NOT RUNNING', status_time = clock_timestamp() AT TIME ZONE 'UTC'
WHERE server_name = %s AND task_name = %s
"""
_FORGET_STATUS = "DELETE FROM {schema}.awsdms_status WHERE server_name = %s AND task_name = %s"


@dataclass(frozen=True)
class Status:
    """A row of awsdms_status; instants are UTC without a zone, by the source's clock.

    Without pending changes everything that was visible on the source at ``current`` is applied, and at ``applied`` in
    any case.
    """

    pending: int
    position: int
    current: datetime
    tail: int
    tail_instant: datetime | None
    applied: datetime | None


def create_missing(target: psycopg.Connection[Any], schema: str, tables: Mapping[str, str]) -> None:
    """Make control tables, by name, and their schema, where they are not there yet."""
    with target.transaction():
        # Tasks that start at the same time would make each other's CREATE TABLE fail.
        target.execute("SELECT pg_advisory_xact_lock(hashtext('awsdms'), hashtext(%s))", (schema,))
        if target.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
            target.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for name, definition in tables.items():
            query = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"
            if target.execute(query, (schema, name)).fetchone() is None:
                target.execute(sql.SQL(definition).format(schema=sql.Identifier(schema)))


class ControlTables:
    """One task's rows, written in the caller's transaction where one is open."""

    def __init__(
        self, target: psycopg.Connection[Any], *, schema: str, server: str, task: str, slot: str, with_status: bool
    ) -> None:
        self._target, self._schema, self._server, self._task = target, schema, server, task
        self._slot, self._with_status = slot, with_status

    def create(self) -> None:
        """Make the tables, and their schema, where they are not there yet."""
        wanted = {"awsdms_apply_exceptions": _EXCEPTIONS, "awsdms_txn_state": _STATE}
        if self._with_status:
            wanted["awsdms_status"] = _STATUS
        create_missing(self._target, self._schema, wanted)

    def lock(self) -> None:
        """Wait until no other session applies this task's changes, and hold the lock until the session ends.

        A session whose client is gone may still commit its last transaction.
        """
        # Without this setting the server notices that a client is gone only when a statement ends.
        self._target.execute("SET client_connection_check_interval = '500ms'")
        self._target.execute("SELECT pg_advisory_lock(hashtext('awsdms task'), hashtext(%s))", (self._slot,))

    def checkpoint(self) -> int | None:
        """Return the position up to which the source's log is applied; None for a task that never ran."""
        row = self._execute(_CHECKPOINT, self._slot).fetchone()
        return int(row[0]) if row else None

    def start(self, position: int) -> None:
        """Write the first checkpoint of a new task, and delete the status that an earlier task of its name left."""
        with self._target.transaction():
            self._execute(_START, self._task, self._slot, shown(position))
            if self._with_status:
                self._execute(_FORGET_STATUS, self._server, self._task)

    def reach(self, position: int) -> None:
        self._execute(_REACH, shown(position), self._slot)

    def log_exception(self, schema: str, table: str, statement: str, error: str) -> None:
        self._execute(_LOG_EXCEPTION, self._task, schema, table, statement, error)

    def applied(self) -> datetime | None:
        """Return ``source_timestamp_applied`` as it was last written."""
        if not self._with_status:
            return None
        row = self._execute(_APPLIED, self._server, self._task).fetchone()
        return row[0] if row else None

    def write_status(self, status: Status) -> None:
        if self._with_status:
            self._execute(
                _WRITE_STATUS,
                self._server,
                self._task,
                status.pending,
                shown(status.position),
                status.current,
                shown(status.tail),
                status.tail_instant,
                status.applied,
            )

    def end_status(self) -> None:
        """Write that the task does not run; its position stays."""
        if self._with_status:
            self._execute(_END_STATUS, self._server, self._task)

    def _execute(self, statement: str, *values: object) -> psycopg.Cursor[Any]:
        return self._target.execute(sql.SQL(statement).format(schema=sql.Identifier(self._schema)), values)
