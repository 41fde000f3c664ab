"""Judges whether a CDC task runs and keeps up, and what of that is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from reload_assets.cdc.position import Cdc
from reload_assets.notify.message import CDC_BEHIND, CDC_RUNS, CDC_STOPPED
from reload_assets.postgres.statements import run

# Between two states; what comes of it is seen at the next tick.
_BETWEEN = frozenset({"creating", "starting", "stopping", "modifying", "moving", "testing"})
# A task that was behind has caught up at this share of the limit: one around the limit is not reported each time.
_CAUGHT_UP = 0.5


@dataclass(frozen=True)
class Watched:
    """A CDC task with the groups that it feeds, and the lag in seconds beyond which it is behind."""

    cdc: Cdc
    groups: Sequence[str]
    max_lag_seconds: float


@dataclass(frozen=True)
class News:
    """A state that a CDC task has come into."""

    event: str
    detail: str


def look(watched: Watched, connection: Connection[Any]) -> News | None:
    """Return what is new about a task; None if it is as was said last, or is on its way to another state.

    A task that a reload at work keeps stopped is fine. Raises CdcNotReady if its position cannot be read, DmsError.
    """
    task = watched.cdc.task
    row = run(connection, "notify:get_cdc_event", task_arn=task.arn).fetchone()
    before = row[0] if row else CDC_RUNS
    state = task.state()
    if state.status in _BETWEEN:
        return None
    if not state.running:
        is_fenced = run(connection, "notify:is_fenced", task_arn=task.arn).fetchone()
        if before == CDC_STOPPED or (is_fenced and is_fenced[0]):
            return None
        return News(CDC_STOPPED, f"the task {state.identifier} is {state.status}")
    position = watched.cdc.position(connection)
    lag = position.lag_seconds(position.asked_at)
    if lag is None:
        # A task that has just started does not say it yet.
        return None
    limit = watched.max_lag_seconds * (_CAUGHT_UP if before == CDC_BEHIND else 1)
    event = CDC_BEHIND if lag > limit else CDC_RUNS
    if event == before:
        return None
    return News(event, f"the task {state.identifier} lags {lag:.0f} s; the limit is {watched.max_lag_seconds:.0f} s")
