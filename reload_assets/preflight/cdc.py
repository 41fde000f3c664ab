"""Looks at the CDC task: its state and lag, its control tables, its mapping and settings, and the tables it carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.cdc.obstacles import Beside, find_obstacles
from reload_assets.cdc.position import Cdc, Readiness
from reload_assets.dms.examination import TaskDescription
from reload_assets.dms.lint_codes import ERROR
from reload_assets.dms.lint_documents import lint_task
from reload_assets.dms.verdict import name_of
from reload_assets.errors.cdc import CdcBehind
from reload_assets.postgres.statements import run
from reload_assets.preflight.dms import look_at_database
from reload_assets.preflight.finding import Finding, found
from reload_assets.preflight.load import named
from reload_assets.preflight.rights import find_rights_of_cdc
from reload_assets.preflight.target import look_at_zones
from reload_assets.tables import ReloadTable

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

CLOCK_TOLERANCE_SECONDS = 1.0
"""Two clocks cannot be compared more precisely than this."""


def look_at_task(cdc: Cdc, reader: SourceReader | None, margin_seconds: float) -> Iterator[Finding]:
    """Yield the task's state, its lag and the clocks. Raises CdcNotReady, DmsError, SourceUnavailable."""
    with cdc.by_source_clock(reader.now if reader else None):
        ready, why = cdc.look()
    if why is not None:
        # It catches up by itself, and runs again by itself after a reload's fence.
        passes = isinstance(why, CdcBehind) or cdc.is_fenced()
        yield Finding("warn" if passes else "problem", why.code, "cdc", why.sentence, why.advice)
    else:
        lag = "" if ready.lag_seconds is None else f" and lags {ready.lag_seconds:.1f} s"
        yield found("cdc-ready", "cdc", f"cdc: the task {cdc.task.arn} is {ready.status}{lag}")
    if said := clocks_apart(ready, margin_seconds):
        yield said


def clocks_apart(ready: Readiness, margin_seconds: float) -> Finding | None:
    """Return a warning if the target's clock could not stand in for the source's; None if it could."""
    offset = ready.target_clock_offset
    if offset is None or abs(offset) <= max(margin_seconds, CLOCK_TOLERANCE_SECONDS):
        return None
    return found(
        "clocks-apart",
        "cdc",
        f"cdc: the target's clock is {abs(offset):,.1f} s {'ahead of' if offset > 0 else 'behind'} the source's, more "
        "than cdc.margin_seconds: without the source connection it could not stand in for that",
        "let both servers keep the same time",
    )


def look_at_documents(described: TaskDescription, database: str) -> Iterator[Finding]:
    """Yield the mistakes of the task's mapping and settings that have no effect as they are written."""
    name = name_of(described.task)
    for mistake in lint_task(described.task):
        # The others are about loads.
        if mistake.kind.severity == ERROR:
            place = f"rule {mistake.rule_id}: " if mistake.rule_id else ""
            yield Finding("warn", mistake.code, "cdc", f"The CDC task {name}: {place}{mistake.message}")
    yield from look_at_database(described.target, database, "cdc")


def look_at_tables(
    described: TaskDescription, beside: Beside, group: str, tables: Sequence[ReloadTable]
) -> Iterator[Finding]:
    """Yield what prevents the task from carrying the tables whole, or makes a reload beside it unsafe."""
    obstacles, warnings = find_obstacles(described, beside, tables)
    for finding in obstacles:
        yield Finding("problem", finding.code, "cdc", finding.message)
    for finding in warnings:
        yield Finding("warn", finding.code, "cdc", finding.message)
    if not obstacles and tables:
        said = f"{group}: the CDC task {name_of(described.task)} carries {named(tables)}"
        yield found("cdc-carries", group, said)


def look_at_login(
    connection: Connection[Any], login: str, zone: str, tables: Sequence[ReloadTable]
) -> Iterator[Finding]:
    """Yield what the task's login may not write in production, and what it reads in another zone than a reload."""
    if not tables or run(connection, "catalog/rights:find_role", role_name=login).fetchone() is None:
        return
    yield from find_rights_of_cdc(connection, login, tables)
    yield from look_at_zones(connection, login, zone, tables)
