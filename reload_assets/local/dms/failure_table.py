"""DMS's table of validation failures: awsdms_validation_failures_v2, before engine version 3.6.1 ..._v1.

Rows are added and never changed or removed: a row that is repaired stays on record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from reload_assets.local.dms.comparison import Difference, Key
from reload_assets.local.dms.control_tables import create_missing
from reload_assets.local.dms.engine import Job

_V1 = """
CREATE TABLE {schema}.awsdms_validation_failures_v1 (
    "TASK_NAME" varchar(128) NOT NULL,
    "TABLE_OWNER" varchar(128) NOT NULL,
    "TABLE_NAME" varchar(128) NOT NULL,
    "FAILURE_TIME" timestamp NOT NULL,
    "KEY_TYPE" varchar(128) NOT NULL,
    "KEY" text NOT NULL,
    "FAILURE_TYPE" varchar(128) NOT NULL,
    "DETAILS" varchar(8000) NOT NULL
)
"""
_V2 = """
CREATE TABLE {schema}.awsdms_validation_failures_v2 (
    "RESYNC_ID" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "TASK_NAME" varchar(128) NOT NULL,
    "TABLE_OWNER" varchar(128) NOT NULL,
    "TABLE_NAME" varchar(128) NOT NULL,
    "FAILURE_TIME" timestamp NOT NULL,
    "KEY_TYPE" varchar(128) NOT NULL,
    "KEY" varchar(7800) NOT NULL,
    "FAILURE_TYPE" varchar(128) NOT NULL,
    "DETAILS" varchar(7000) NOT NULL,
    "RESYNC_RESULT" varchar(128),
    "RESYNC_TIME" timestamp,
    "RESYNC_ACTION" varchar(128)
)
"""
_ADD = """
INSERT INTO {table} (
    "TASK_NAME", "TABLE_OWNER", "TABLE_NAME", "FAILURE_TIME", "KEY_TYPE", "KEY", "FAILURE_TYPE", "DETAILS"
)
VALUES (%s, %s, %s, clock_timestamp() AT TIME ZONE 'UTC', 'Row', %s, %s, %s)
"""
_FIRST_WITH_V2 = (3, 6, 1)
# Characters of DETAILS.
_LONGEST = {1: 8000, 2: 7000}


class FailureTable:
    """One task's rows of the table, which is made where it is not there yet."""

    def __init__(self, target: psycopg.Connection[Any], job: Job) -> None:
        self._target, self._task = target, job.resource.upper()
        version = tuple(int(part) for part in re.findall(r"\d+", job.version))
        number = 2 if version >= _FIRST_WITH_V2 else 1
        name = f"awsdms_validation_failures_v{number}"
        self._longest = _LONGEST[number]
        self._table = sql.Identifier(job.control_schema, name)
        create_missing(target, job.control_schema, {name: _V2 if number == 2 else _V1})

    def add(self, owner: str, table: str, differences: Iterable[Difference]) -> None:
        """Add rows that failed. Owner and table are the target's."""
        rows = [
            (self._task, owner, table, _key(one.key), one.kind, _details(one)[: self._longest]) for one in differences
        ]
        with self._target.transaction(), self._target.cursor() as cursor:
            cursor.executemany(sql.SQL(_ADD).format(table=self._table), rows)

    def warn(self, owner: str, table: str, why: str) -> None:
        """Add a TABLE_WARNING: the validation of a table was suspended.

        When the service writes one, and what it holds, is not on record. Here it has a KEY without values.
        """
        row = (self._task, owner, table, _key(()), "TABLE_WARNING", why[: self._longest])
        self._target.execute(sql.SQL(_ADD).format(table=self._table), row)


def _key(key: Key) -> str:
    """Return the JSON as the service prints it, over several lines; the exact white space is not on record."""
    return f'{{\n\t"key":\t{json.dumps(list(key), ensure_ascii=False)}\n}}'


def _details(difference: Difference) -> str:
    """Return the columns that differ as the service prints them, which is not JSON; nothing for a missing row."""
    pairs = (
        f"[{{'{name}': {_quoted(difference.source[name])}}}, {{'{name}': {_quoted(difference.target[name])}}}],"
        for name in difference.columns
    )
    return f"[{''.join(pairs)}]" if difference.columns else ""


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"
