"""Looks at what a search for drift would not compare."""

from __future__ import annotations

from collections.abc import Iterator

from reload_assets.config.finders import DriftConfig
from reload_assets.conversions.shared_text import why_not_compared
from reload_assets.preflight.finding import Finding, found
from reload_assets.tables import ReloadTable


def look_at_columns(table: ReloadTable, settings: DriftConfig) -> Iterator[Finding]:
    """Yield which columns of a table are not compared, each with the reason and what it would take."""
    gaps = [
        f"{column.source}, {why_not_compared(pair.source, pair.target.base_type)}"
        for column, pair in table.pairs
        if pair.shared_rule is None and (pair.inexact_rule is None or (pair.source.type.is_lob and not settings.lobs))
    ]
    if gaps:
        yield found(
            "columns-uncompared",
            table.target,
            f"the finder drift does not see when {table.target} differs from the source in {'; '.join(gaps)}",
        )
