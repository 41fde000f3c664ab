"""Looks at what a load would do: its mapping and settings as a linter reads them, and the LOBs that DMS would cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reload_assets.dms.tasks import require_clean
from reload_assets.preflight.finding import Finding, found
from reload_assets.preflight.target import size
from reload_assets.tables import ReloadTable
from reload_assets.verify.staged_values import lob_columns

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

ROWS_LOOKED_AT = 100_000
"""So many rows of a table are asked for the length of their LOBs, which Oracle keeps beside the value."""

# The package DBMS_LOB takes no others.
_MEASURED = ("CLOB", "NCLOB", "BLOB")


def look_at_mapping(
    group: str, tables: Sequence[ReloadTable], mapping: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield whether DMS would take a load of a group as it is meant. Raises MappingError if it would not."""
    require_clean(f"of {group}", mapping, settings)
    names = ", ".join(table.name for table in tables)
    yield found(
        "load-ready", group, f"{group}: the linter finds no mistake in the mapping and settings of a load of {names}"
    )


def look_at_lobs(reader: SourceReader, table: ReloadTable, limit_kb: int) -> Iterator[Finding]:
    """Yield which LOB columns have a value that DMS would cut, in the first rows. Raises SourceUnavailable."""
    described = {column.name: column for column in table.source_columns or ()}
    limits = {column.source: limit for column, limit in lob_columns(table, limit_kb)}
    if unmeasured := [name for name in limits if described[name].base_type not in _MEASURED]:
        declared = ", ".join(f"{name} ({described[name].declared})" for name in unmeasured)
        yield found(
            "lob-unmeasured",
            table.target,
            f"could not look at the lengths of {declared} of {table.source}, which only a load shows",
            f"see that no value is longer than dms.task.lob_limit_kb ({limit_kb:,} KB)",
        )
    measured = [name for name in limits if name not in unmeasured]
    if not measured:
        return
    seen, lengths = reader.of(table.source_schema).longest(table.source_table, measured, ROWS_LOOKED_AT)
    longest = dict(zip(measured, lengths, strict=True))
    rows = f"the first {seen:,} rows" if seen == ROWS_LOOKED_AT else f"all {seen:,} rows"
    for name in measured:
        if longest[name] >= limits[name]:
            needed = longest[name] // 1024 + 1
            yield found(
                "lob-over-limit",
                table.target,
                f"{name} of {table.source} has a value of {size(longest[name])} ({rows} were looked at), and DMS cuts "
                f"LOBs at {limit_kb:,} KB: the window of that row is not merged",
                f"set dms.task.lob_limit_kb to {needed:,} or more, and LobMaxSize of the CDC task too",
            )
    if all(longest[name] < limits[name] for name in measured):
        said = ", ".join(f"{name} {size(longest[name])}" for name in measured)
        yield found(
            "lobs-fit", table.target, f"source: the longest LOBs of {table.source}: {said} ({rows} were looked at)"
        )
