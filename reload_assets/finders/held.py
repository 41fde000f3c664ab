"""Held requests: why finders' requests do not go ahead, and who releases them: a person, or CDC when it catches up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from reload_assets.config.finders import HealingLimits
from reload_assets.errors import ReloadError
from reload_assets.errors.requests import HeldByLimit, RequestNotOpen, RequestUnknown
from reload_assets.finders.requesting import WhyWait
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run


def hold_parts(target: TargetDatabase, limits: HealingLimits) -> int:
    """Hold the parts of split requests with which finders would have too many windows reloaded within 24 hours.

    Returns how many there were. A finder that asks for the windows of its keys cannot know how many these are.
    """
    with target.connect() as connection:
        parts = run(connection, "requests:list_parts_beyond", most_windows=limits.windows_per_day).fetchall()
        for request_id, place in parts:
            why = (
                f"with it, finders would have asked for {place:,} windows within 24 hours, and "
                f"finders.limits.windows_per_day is {limits.windows_per_day:,}"
            )
            held = str(HeldByLimit(request_id, why))
            run(connection, "requests:hold_request", request_id=request_id, held_because=held)
    return len(parts)


def release_caught_up(target: TargetDatabase, why_wait: WhyWait) -> list[int]:
    """Release the requests that were held for CDC, once it carries their tables. Returns their ids."""
    answers: dict[tuple[str, tuple[str, ...]], ReloadError | None] = {}
    with target.connect(autocommit=True) as connection:
        released = []
        for request_id, group, tables in run(connection, "requests:list_waiting_for_cdc").fetchall():
            place = (group, tuple(tables))
            if place not in answers:
                answers[place] = why_wait(*place)
            if answers[place] is None:
                released.append(request_id)
        run(connection, "requests:release_requests", request_ids=released)
    return released


def release(target: TargetDatabase, request_ids: Sequence[int]) -> None:
    """Let held requests go ahead: all or none. Raises RequestUnknown, RequestNotOpen."""
    _change(target, request_ids, "release", ("held",))


def refuse(target: TargetDatabase, request_ids: Sequence[int], reason: str) -> None:
    """Refuse requests that have not begun: all or none. Raises RequestUnknown, RequestNotOpen."""
    _change(target, request_ids, "refuse", ("pending", "held"), reason)


def _change(
    target: TargetDatabase,
    request_ids: Sequence[int],
    what: Literal["release", "refuse"],
    allowed: Sequence[str],
    reason: str = "",
) -> None:
    ids = list(dict.fromkeys(request_ids))
    with target.connect() as connection:
        found = dict(run(connection, "requests:lock_requests", request_ids=ids).fetchall())
        for request_id in ids:
            if request_id not in found:
                raise RequestUnknown(request_id)
            if found[request_id] not in allowed:
                raise RequestNotOpen(request_id, found[request_id], what, " or ".join(allowed))
        if what == "release":
            run(connection, "requests:release_requests", request_ids=ids)
        else:
            run(connection, "requests:refuse_requests", request_ids=ids, error=reason)
