"""The checks after a merge: they report, and stand in nobody's way.

They share no SQL with the merge, and compare inside the database: no value passes through Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from psycopg import Connection, sql
from psycopg import Error as DatabaseError

from reload_assets.cdc.position import Cdc
from reload_assets.errors import CdcNotReady, DmsError, SourceUnavailable
from reload_assets.ledger.ledger import CheckStatus
from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.postgres.catalog import ForeignKey, read_foreign_keys
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import Part, run
from reload_assets.tables import ReloadTable
from reload_assets.verify.context import key_text
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.staged_in_production import staged_in_production
from reload_assets.verify.window_matches_source import compare_with_source

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

AFTER_CHECKS = ("staged_in_production", "foreign_keys", "window_matches_source", "confirmed")


def verify_merged(
    target: TargetDatabase,
    zone: ZoneInfo,
    reload: Reload,
    table: ReloadTable,
    staged: StagedTable,
    reader: SourceReader | None,
    cdc: Cdc | None = None,
) -> list[CheckOutcome]:
    """The outcomes of AFTER_CHECKS on one table of a merged reload; none is blocking. Raises DatabaseUnreachable.

    ``staged`` is to be read from the ledger after the merge, as it holds the outcome counts. Without a ``reader``, and
    where the source cannot be read, window_matches_source 'could not verify'; with ``cdc`` it waits for CDC first.
    """
    bounds = reload.loaded_window.in_zone(zone)
    with target.connect(autocommit=True) as connection:
        return [
            _guarded(
                "staged_in_production",
                lambda: staged_in_production(connection, reload, table, staged, reader, cdc),
            ),
            _guarded("foreign_keys", lambda: _foreign_keys(connection, table, bounds)),
            _guarded(
                "window_matches_source",
                lambda: compare_with_source("window_matches_source", connection, table, bounds, reader, cdc),
            ),
            _confirmed(reload, staged),
        ]


def _confirmed(reload: Reload, staged: StagedTable) -> CheckOutcome:
    """What confirm has written into the ledger."""
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
        detail = f"{reload.title} has not been confirmed yet; materialize production of the window."
        return CheckOutcome("confirmed", "could not verify", False, detail, facts)
    status: CheckStatus = "passed" if reload.confirm_status == "confirmed" else "failed"
    fix = "" if status == "passed" else " Materialize production of the window once more, without staging."
    return CheckOutcome("confirmed", status, False, f"{reload.confirm_detail or ''}{fix}", facts)


def _guarded(name: str, check: Any) -> CheckOutcome:
    try:
        outcome: CheckOutcome = check()
        return outcome
    except (DatabaseError, SourceUnavailable, CdcNotReady, DmsError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return CheckOutcome(name, "could not verify", False, f"{name} could not be verified: {reason}.")


def _foreign_keys(connection: Connection[Any], table: ReloadTable, bounds: tuple[datetime, datetime]) -> CheckOutcome:
    name = "foreign_keys"
    # As they are now: a reload may be verified long after it was opened.
    foreign_keys = read_foreign_keys(connection, table.production.schema, table.production.name)
    names = [column.name for column in table.key]
    parentless, found = 0, []
    for key in foreign_keys:
        row = run(
            connection, "verify/rows_without_parent", _fk_parts(table, key), start=bounds[0], end=bounds[1]
        ).fetchone()
        assert row is not None
        count, some = row
        if count:
            parentless += count
            found.append(
                f"{counted(count, 'row')} without a parent in {key.parent} by {key.name} "
                f"({examples(some, names, count)})"
            )
    facts: dict[str, Fact] = {"foreign_keys": len(foreign_keys), "rows_without_parent": parentless}
    if found:
        detail = f"{table.target} has {'; '.join(found)} in the window; reload the parents' window, or remove the rows."
        return CheckOutcome(name, "failed", False, detail, facts)
    if not foreign_keys:
        return CheckOutcome(name, "passed", False, f"{table.target} has no foreign keys.", facts)
    keys = ", ".join(key.name for key in foreign_keys)
    detail = f"Every row of the window in {table.target} has its parents ({keys})."
    return CheckOutcome(name, "passed", False, detail, facts)


def _fk_parts(table: ReloadTable, key: ForeignKey) -> Mapping[str, Part]:
    join = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("p", parent), sql.Identifier("c", child))
        for parent, child in zip(key.parent_columns, key.columns, strict=True)
    )
    # MATCH SIMPLE: a key with a NULL in it refers to nothing.
    has_key = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier("c", name)) for name in key.columns)
    return {
        "schema": table.production.schema,
        "table": table.production.name,
        "parent_schema": key.parent_schema,
        "parent_table": key.parent_table,
        "same_key": join,
        "has_key": has_key,
        "window_column": table.window.name,
        "key_text": key_text([column.name for column in table.key], "c"),
    }
