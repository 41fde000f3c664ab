"""Runs the checks after a merge. They report, and block nothing.

They share no SQL with the merge. They compare inside the database: no value passes through Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg import Error as DatabaseError

from reload_assets.cdc.position import Cdc
from reload_assets.errors import CdcNotReady, DmsError, ReloadError, SourceUnavailable
from reload_assets.ledger.ledger import CheckStatus
from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.tables import ReloadTable
from reload_assets.verify.foreign_keys import check_foreign_keys
from reload_assets.verify.outcome import CheckOutcome, Fact
from reload_assets.verify.staged_in_production import staged_in_production
from reload_assets.verify.window_matches_source import compare_keys_with_source, compare_with_source
from reload_assets.verify.windowless import with_windowless

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

AFTER_CHECKS = ("staged_in_production", "foreign_keys", "window_matches_source", "confirmed")
"""The checks after the merge of a window."""
AFTER_CHECKS_OF_KEYS = ("staged_in_production", "foreign_keys", "keys_match_source", "confirmed")
"""The checks after the merge of a list of keys."""


def verify_merged(
    target: TargetDatabase,
    zone: ZoneInfo,
    reload: Reload,
    table: ReloadTable,
    staged: StagedTable,
    reader: SourceReader | None,
    cdc: Cdc | None = None,
) -> list[CheckOutcome]:
    """Verify one table of a merged reload. Returns the outcomes of AFTER_CHECKS, none of them blocking.

    Read ``staged`` from the ledger after the merge, as it holds the counts of outcomes. Without a ``reader``, or if the
    source cannot be read, the result of the comparison is 'could not verify'. With ``cdc`` it waits for CDC
    first. Raises TargetError.
    """
    with target.connect(autocommit=True) as connection:
        return [
            _guarded(
                "staged_in_production",
                lambda: staged_in_production(connection, reload, table, staged, reader, cdc),
            ),
            _guarded("foreign_keys", lambda: check_foreign_keys(connection, reload, table, zone)),
            _compared(connection, reload, table, zone, reader, cdc),
            _confirmed(reload, staged),
        ]


def _compared(
    connection: Connection[Any],
    reload: Reload,
    table: ReloadTable,
    zone: ZoneInfo,
    reader: SourceReader | None,
    cdc: Cdc | None,
) -> CheckOutcome:
    bounds = reload.bounds(zone)
    if bounds is None:
        name = "keys_match_source"
        return _guarded(name, lambda: compare_keys_with_source(name, connection, reload, table, reader, cdc))
    name = "window_matches_source"
    return _guarded(
        name,
        lambda: with_windowless(compare_with_source(name, connection, table, bounds, reader, cdc), connection, table),
    )


def _confirmed(reload: Reload, staged: StagedTable) -> CheckOutcome:
    """Return the outcome that confirm has written into the ledger."""
    corrections = staged.confirm_inserted + staged.confirm_updated + staged.confirm_deleted
    facts: dict[str, Fact] = {
        "confirm_status": reload.confirm_status,
        "passes": reload.confirm_passes,
        "rows_read_again": staged.confirm_keys,
        "corrections": corrections,
        "orphans": staged.orphans,
        "waited_seconds": round(reload.confirm_waited_seconds, 1),
    }
    if reload.confirm_status in ("none", "pending"):
        detail = f"{reload.title} has not been confirmed yet; materialize production of its partition."
        return CheckOutcome("confirmed", "could not verify", False, detail, facts)
    status: CheckStatus = "passed" if reload.confirm_status == "confirmed" else "failed"
    fix = "" if status == "passed" else " Materialize production of its partition once more, without staging."
    return CheckOutcome("confirmed", status, False, f"{reload.confirm_detail or ''}{fix}", facts)


def _guarded(name: str, check: Callable[[], CheckOutcome]) -> CheckOutcome:
    try:
        return check()
    except (DatabaseError, SourceUnavailable, CdcNotReady, DmsError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        end = "" if isinstance(error, ReloadError) else "."
        return CheckOutcome(name, "could not verify", False, f"{name} could not be verified: {reason}{end}")
