"""The history of comparisons, ``admin.comparisons``: what each found, and when each window was compared last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from reload_assets.compare.drifted import Drift
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run
from reload_assets.windows import Window

ComparisonStatus = Literal["compared", "in part", "failed"]


@dataclass(frozen=True)
class Last:
    """When a window of a table was tried last, and when it was last compared as a whole; UTC, by the target's clock."""

    tried_at: datetime
    compared_at: datetime | None


def status_of(drift: Drift | None) -> ComparisonStatus:
    """Return how far a comparison came; None stands for one that failed."""
    if drift is None:
        return "failed"
    return "compared" if drift.is_whole else "in part"


def is_equal(drift: Drift | None) -> bool | None:
    """Return whether production is as the source; None if nothing is known to be wrong, but not all was compared."""
    if drift is None:
        return None
    return False if drift.drifted else True if drift.is_whole else None


def note(
    target: TargetDatabase,
    group: str,
    table: str,
    window: Window,
    run_id: str,
    drift: Drift | None,
    *,
    not_compared: Mapping[str, str],
    detail: str,
) -> int:
    """Record a comparison; ``drift`` is None if it failed. Returns its number."""
    found: dict[str, Any] = {"status": status_of(drift), "is_equal": is_equal(drift), "detail": detail}
    if drift is not None:
        found |= {
            **asdict(drift.effort),
            **drift.counts,
            "source_rows": drift.source_rows,
            "production_rows": drift.production_rows,
            "began_at": drift.began_at.isoformat(),
            "segments": drift.segments,
            "segments_differing": drift.segments_differing,
            "left_by_policy": sum(drift.left.values()),
            "changing": drift.changing,
            "seconds": drift.seconds,
            "not_compared": dict(not_compared),
        }
    with target.connect(autocommit=True) as connection:
        row = run(
            connection,
            "finders/comparisons:insert_comparison",
            group_name=group,
            table_name=table,
            window_start=window.start,
            window_end=window.end,
            run_id=run_id,
            found=json.dumps(found),
        ).fetchone()
    assert row is not None
    return int(row[0])


def last_comparisons(target: TargetDatabase, group: str, since: datetime) -> dict[tuple[str, Window], Last]:
    """Return the last comparisons by table and window, of the group's windows that end after ``since`` (UTC)."""
    with target.connect(autocommit=True) as connection:
        rows = run(connection, "finders/comparisons:list_last_comparisons", group_name=group, since=since).fetchall()
    return {
        (table, Window(_utc(start), _utc(end))): Last(_utc(tried), compared and _utc(compared))
        for table, start, end, tried, compared in rows
    }


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
