"""Looks at what a load would do: its mapping and settings as a linter reads them, and the LOBs that DMS would cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reload_assets.dms.tasks import require_clean
from reload_assets.preflight.finding import Finding, found
from reload_assets.preflight.target import size
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import counted
from reload_assets.verify.staged_values import lob_columns

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

ROWS_LOOKED_AT = 100_000
"""So many rows of a table are asked for the length of their LOBs, which Oracle keeps beside the value."""

_NAMED = 5


def named(tables: Sequence[ReloadTable]) -> str:
    """Return the names of a group's tables, or only how many they are if a line has no room for them."""
    return ", ".join(table.name for table in tables) if len(tables) <= _NAMED else counted(len(tables), "table")


def look_at_mapping(
    group: str, tables: Sequence[ReloadTable], mapping: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield whether DMS would take a load of a group as it is meant. Raises MappingError if it would not."""
    require_clean(f"of {group}", mapping, settings)
    said = f"{group}: a load of {named(tables)} has no mistakes in its table mapping and settings"
    yield found("load-ready", group, said)


def look_at_lobs(reader: SourceReader, table: ReloadTable, limit_kb: int) -> Iterator[Finding]:
    """Yield which LOB columns have a value that DMS would cut, in the first rows. Raises SourceUnavailable."""
    described = {column.name: column for column in table.source_columns or ()}
    limits = {column.source: limit for column, limit in lob_columns(table, limit_kb)}
    measured = [name for name in limits if described[name].type.is_read_whole]
    if unmeasured := [described[name] for name in limits if name not in measured]:
        declared = ", ".join(f"{column.name} ({column.declared})" for column in unmeasured)
        yield found(
            "lob-unmeasured",
            table.target,
            f"{table.source}: could not look at the lengths of {declared}, which only a load shows",
            f"see that no value is longer than dms.task.lob_limit_kb ({limit_kb:,} KB)",
        )
    if not measured:
        return
    seen, lengths = reader.of(table.source_schema).longest(table.source_table, measured, ROWS_LOOKED_AT)
    rows = f"the first {seen:,} rows" if seen == ROWS_LOOKED_AT else f"all {seen:,} rows"
    fit = []
    for name, length in zip(measured, lengths, strict=True):
        # The length of a text is in characters, and the limit in bytes.
        is_text = described[name].type.family == "lob"
        said = f"{length:,} characters" if is_text else size(length)
        if length < limits[name]:
            fit.append(f"{name} {said}")
            continue
        yield found(
            "lob-over-limit",
            table.target,
            f"{table.source}: {name} has a value of {said}, and DMS cuts LOBs at {limit_kb:,} KB: the window of that "
            f"row is not merged ({rows} were looked at)",
            f"set dms.task.lob_limit_kb to more than {length // 1024:,}, and LobMaxSize of the CDC task too",
        )
    if fit:
        said = f"{table.source}: the longest LOBs ({rows} were looked at) are {', '.join(fit)}"
        yield found("lobs-fit", table.target, f"{said}; dms.task.lob_limit_kb is {limit_kb:,}")
