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

    Runs in the caller's transaction, during which no reload stops the task. A task that a reload at work keeps stopped
    is fine. Raises CdcNotReady if its position cannot be read, DmsError.
    """
    task_arn = watched.cdc.task.arn
    free = run(connection, "notify:try_fence", task_arn=task_arn).fetchone()
    if free is None or not free[0]:
        return None
    row = run(connection, "notify:get_cdc_event", task_arn=task_arn).fetchone()
    before = row[0] if row else CDC_RUNS
    state, lag = watched.cdc.task.state(), None
    if state.running:
        position = watched.cdc.position(connection)
        # By the target's clock: the limit is minutes, and to ask the source every 30 s is not worth its login.
        lag = position.lag_seconds(position.asked_at)
    return news(before, state.status, lag, watched.max_lag_seconds)


def news(before: str, status: str, lag: float | None, limit: float) -> News | None:
    """Return what is new about a task, of which ``before`` was said last. ``lag`` and ``limit`` are seconds."""
    if status in _BETWEEN:
        return None
    if status != "running":
        found = News(CDC_STOPPED, f"the task is {status}")
    elif lag is None:
        # A task that has just started does not say it yet.
        return None
    elif lag > limit * (_CAUGHT_UP if before == CDC_BEHIND else 1):
        found = News(CDC_BEHIND, f"the task lags {lag:.0f} s behind the source; the limit is {limit:.0f} s")
    else:
        found = News(CDC_RUNS, f"the task lags {lag:.0f} s behind the source")
    return found if found.event != before else None
