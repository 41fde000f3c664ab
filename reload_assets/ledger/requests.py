"""Reads and answers ``admin.reload_requests``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import compose, run

# How many requests one tick of the sensor handles; the next tick handles more.
BATCH = 100


@dataclass(frozen=True)
class Request:
    """A row of ``admin.reload_requests``. Instants are UTC; None stands for one that no window can have."""

    request_id: int
    group_name: str
    window_start: datetime | None
    window_end: datetime | None
    tables: list[str] | None
    reason: str
    requested_by: str
    status: str
    run_id: str | None


def open_requests(target: TargetDatabase) -> list[Request]:
    """Return the pending requests, then the started ones, each with the oldest first."""
    with (
        target.connect(autocommit=True) as connection,
        connection.cursor(row_factory=class_row(Request)) as cursor,
    ):
        return cursor.execute(compose("requests:list_open"), {"limit": BATCH}).fetchall()


def note_started(target: TargetDatabase, request_id: int, run_id: str) -> None:
    """Write that the request has become this run."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_started", request_id=request_id, run_id=run_id)


def note_reload(target: TargetDatabase, request_id: int) -> None:
    """Write the id of the reload into its request, once there is one."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_reload", request_id=request_id)


def note_ended(
    target: TargetDatabase, request_id: int, status: Literal["done", "failed", "refused"], error: str
) -> None:
    """Write that the request has ended. ``error`` is kept unless the status is done."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_ended", request_id=request_id, status=status, error=error)
