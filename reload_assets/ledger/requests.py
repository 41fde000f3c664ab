"""Reads and answers ``admin.reload_requests``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import compose, run
from reload_assets.windows import Window

# How many pending requests, and how many started ones, one tick of the sensor handles; the next tick handles others.
BATCH = 100


@dataclass(frozen=True)
class Request:
    """A row of ``admin.reload_requests``: for a window, or for ``keys`` (JSON, as it was written).

    ``columns`` (JSON) limit it to these. Instants are UTC; None stands for one that no window can have.
    ``whole_windows``: the windows that hold the keys are to be reloaded. ``requested_at`` is as PostgreSQL writes it.
    """

    request_id: int
    group_name: str
    window_start: datetime | None
    window_end: datetime | None
    tables: list[str] | None
    keys: str | None
    columns: str | None
    whole_windows: bool
    reason: str
    requested_by: str
    requested_at: str
    found_by: str
    status: str
    run_id: str | None


def open_requests(target: TargetDatabase) -> list[Request]:
    """Return the pending requests, then the started ones, each with the oldest first; those that wait come later."""
    with (
        target.connect(autocommit=True) as connection,
        connection.cursor(row_factory=class_row(Request)) as cursor,
    ):
        return cursor.execute(compose("requests:list_open"), {"limit": BATCH}).fetchall()


def get_request(target: TargetDatabase, request_id: int) -> Request | None:
    """Return the request with this id, or None."""
    with (
        target.connect(autocommit=True) as connection,
        connection.cursor(row_factory=class_row(Request)) as cursor,
    ):
        return cursor.execute(compose("requests:get_request"), {"request_id": request_id}).fetchone()


@dataclass(frozen=True)
class Part:
    """What one request asks for: a window of some tables, or keys by table (JSON). ``columns`` by table limit it.

    ``whole_windows``: the windows that hold the keys are to be reloaded.
    """

    window: Window | None
    tables: list[str] | None
    keys: str | None
    reason: str
    columns: Mapping[str, Sequence[str]] | None = None
    whole_windows: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """The values that its statements bind."""
        return {
            "window_start": self.window.start if self.window else None,
            "window_end": self.window.end if self.window else None,
            "tables": self.tables,
            "request_keys": self.keys,
            "limited_columns": json.dumps(self.columns) if self.columns else None,
            "whole_windows": self.whole_windows,
            "reason": self.reason,
        }


def set_keys(target: TargetDatabase, request_id: int, keys: str) -> None:
    """Write the keys (JSON) of a pending request, after those of missing parents were added."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_keys", request_id=request_id, request_keys=keys)


def split_request(target: TargetDatabase, request: Request, parts: Sequence[Part]) -> list[int]:
    """Replace a pending request by requests for its parts. Returns their ids; none if it is not pending any more."""
    with target.connect() as connection:
        if run(connection, "requests:set_split", request_id=request.request_id).rowcount == 0:
            return []
        return [_insert_part(connection, request.request_id, part) for part in parts]


def part_before(target: TargetDatabase, request_id: int) -> int | None:
    """Return the oldest open request for keys into which the same list was split, and which comes first; or None."""
    with target.connect(autocommit=True) as connection:
        row = run(connection, "requests:find_part_before", request_id=request_id).fetchone()
        return None if row is None else row[0]


def _insert_part(connection: Connection[Any], request_id: int, part: Part) -> int:
    row = run(connection, "requests:insert_part", request_id=request_id, **part.values).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def at_terminal(target: TargetDatabase, group: str, part: Part, by: str, run_id: str) -> Iterator[int]:
    """Insert a request that this process answers itself by a run, and yield its id.

    While the block runs, the sensor leaves the request alone; ``is_at_terminal`` tells it.
    """
    with target.connect(autocommit=True) as connection:
        row = run(
            connection,
            "requests:insert_started",
            group_name=group,
            requested_by=by,
            run_id=run_id,
            **part.values,
        ).fetchone()
        assert row is not None
        yield int(row[0])


def is_at_terminal(target: TargetDatabase, request_id: int) -> bool:
    """Return whether another process answers a request itself, and still lives."""
    with target.connect(autocommit=True) as connection:
        row = run(connection, "requests:is_at_terminal", request_id=request_id).fetchone()
        return row is not None and bool(row[0])


def note_waiting(target: TargetDatabase, request_id: int, why: str) -> None:
    """Write why a pending request waits."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_waiting", request_id=request_id, error=why)


def note_started(target: TargetDatabase, request_id: int, run_id: str) -> None:
    """Write that the request has become this run."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_started", request_id=request_id, run_id=run_id)


def note_reload(target: TargetDatabase, request_id: int) -> None:
    """Write the id of the reload into its request, once there is one."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_reload", request_id=request_id)


def hold_again(target: TargetDatabase, request_id: int, why: str) -> bool:
    """Hold a finder's request whose run could not begin. Returns False for the request of a person."""
    with target.connect(autocommit=True) as connection:
        return run(connection, "requests:hold_again", request_id=request_id, held_because=why).rowcount > 0


def note_ended(
    target: TargetDatabase, request_id: int, status: Literal["done", "failed", "refused"], error: str
) -> None:
    """Write that the request has ended. ``error`` is kept unless the status is done."""
    with target.connect(autocommit=True) as connection:
        run(connection, "requests:set_ended", request_id=request_id, status=status, error=error)
