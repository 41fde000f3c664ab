"""Writes the checks of one staged table as a psql script that rolls back: for reading, EXPLAIN and timing."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.ledger.selected import is_selected
from reload_assets.postgres.statements import Parts, Step, script
from reload_assets.tables import ReloadTable
from reload_assets.verify.column_types import misfits
from reload_assets.verify.pieces import StagingTable, lob_pieces, source_key_pieces, staged_key_pieces
from reload_assets.verify.source_keys import source_keys_name
from reload_assets.verify.staged_values import lob_columns, needed_columns

_NO_KEYS = "-- row_count has only counts to compare here: the source's keys are not noted beside staging."
_FOUND_BY_GREAT_EXPECTATIONS = "-- Run only if great_expectations finds keys that repeat, or values that are NULL."


def verify_script(reload: Reload, table: ReloadTable, staged: StagedTable, zone: ZoneInfo, lob_limit_kb: int) -> str:
    """Return the statements of one table's checks before the merge in their order, with its values.

    ``zone`` is the source's.
    """
    head = (
        f"The checks on {staged.staging_schema}.{staged.staging_table}, staged by {reload.title}. It ends with "
        "ROLLBACK: nothing is changed.\n"
        "great_expectations verifies row count, types, uniqueness and NULLs besides; its statements are not here."
    )
    bounds = reload.bounds(zone)
    values = {
        "reload_id": reload.reload_id,
        "table_name": table.name,
        **({"start": bounds[0], "end": bounds[1]} if bounds else {}),
        "staging_schema": staged.staging_schema,
        "staging_table": staged.staging_table,
        "staging_oid": staged.staging_oid,
    }
    return script(head, _steps(reload, table, staged, zone, lob_limit_kb), values)


def _steps(
    reload: Reload, table: ReloadTable, staged: StagedTable, zone: ZoneInfo, lob_limit_kb: int
) -> Iterator[Step | str]:
    staging = StagingTable(staging_schema=staged.staging_schema, staging_table=staged.staging_table)

    def step(name: str, *pieces: Parts, **values: object) -> Step:
        return Step(f"verify/{name}", (staging, *pieces), values)

    yield step("2_staging:find_staging")
    if _has_noted_keys(table, staged):
        pieces = source_key_pieces(table, source_keys_name(staged.staging_oid))
        yield step("1_source_keys:match_source_keys", pieces)
        yield step("1_source_keys:list_lacking", pieces)
    else:
        yield _NO_KEYS
    yield step("2_staging:count_rows")
    yield step("2_staging:list_type_differences")
    for _, misfit in misfits(table, staged):
        yield step("3_staged_values:list_misfits", staged_key_pieces(table), misfit)
    key = staged_key_pieces(table)
    if reload.window is not None:
        yield step("3_staged_values:count_outside", {"staged_window_column": table.window.staged})
    else:
        selected = is_selected(reload, table, zone, "s", staged=True)
        yield step("3_staged_values:count_unselected", key, {"s_is_selected": selected})
    yield _FOUND_BY_GREAT_EXPECTATIONS
    yield step("3_staged_values:count_duplicates", key)
    for name in needed_columns(table, table.production.columns):
        yield step("3_staged_values:count_nulls", key, {"needed_column": name})
    for column, limit in lob_columns(table, lob_limit_kb):
        yield step("3_staged_values:count_cut_lobs", lob_pieces(column), limit_bytes=limit)


def _has_noted_keys(table: ReloadTable, staged: StagedTable) -> bool:
    kinds = {column.name: column.kind for column in table.source_columns or ()}
    return staged.source_rows_before is not None and all(kinds.get(column.source) for column in table.key)
