"""Rows whose window column is NULL belong to no window, so that no reload sees them: they are counted and named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import CheckOutcome, counted

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# Nobody needs to know how many there are beyond that, and a source has no index that finds them.
_MOST = 10_000


def count_in_production(connection: Connection[Any], table: ReloadTable) -> int:
    """Count production's rows that are in no window, up to a limit. Reads nothing if the column is NOT NULL."""
    if table.window.target.not_null:
        return 0
    row = run(
        connection,
        "verify/5_window:count_windowless",
        {"schema": table.production.schema, "table": table.production.name, "window_column": table.window.name},
        limit=_MOST,
    ).fetchone()
    assert row is not None
    return int(row[0])


def remarks_on_windowless(connection: Connection[Any], table: ReloadTable, reader: SourceReader | None) -> list[str]:
    """Return a sentence if either side has rows that are in no window. Raises SourceUnavailable."""
    ours, theirs = count_in_production(connection, table), 0
    described = {column.name: column for column in table.source_columns or ()}
    if reader is not None and (source := described.get(table.window.source)) and source.nullable:
        theirs = reader.of(table.source_schema).count_without(table.source_table, source.name, _MOST)
    places = [(table.target, ours), (f"the source's {table.source}", theirs)]
    counts = " and ".join(f"{_rows(count)} of {place}" for place, count in places if count)
    return [_sentence(table, counts)] if counts else []


def with_windowless(outcome: CheckOutcome, connection: Connection[Any], table: ReloadTable) -> CheckOutcome:
    """Return the outcome of a comparison of a window, with what of production no comparison can see."""
    count = count_in_production(connection, table)
    if not count:
        return outcome
    said = _sentence(table, f"{_rows(count)} of {table.target}")
    return replace(
        outcome,
        detail=f"{outcome.detail} {said[0].upper()}{said[1:]}.",
        facts={**outcome.facts, "rows_without_window": count},
    )


def _rows(count: int) -> str:
    return counted(count, "row") if count < _MOST else f"at least {_MOST:,} rows"


def _sentence(table: ReloadTable, counts: str) -> str:
    name = table.window.name
    repaired = ""
    if table.version.name == name and table.options.null_version == "report":
        repaired = "; one that gets its time in the source alone is corrected only with null_version: repair"
    return (
        f"{counts} have no {name} and so belong to no window: no reload loads, compares or corrects them; give them a "
        f"time and declare {name} NOT NULL on both sides, or name a window column that every row has{repaired}"
    )
