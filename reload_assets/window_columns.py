"""Which columns can cut windows: DMS has to filter by them, and both sides have to put a row into the same window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reload_assets.canonical.oracle_types import Family, SourceColumn
from reload_assets.conversions.declared import parse_type
from reload_assets.errors.tables import WindowColumnOfSource, WindowColumnType

if TYPE_CHECKING:
    from reload_assets.tables import ReloadColumn

_WALL_CLOCK = "timestamp without time zone"
# PostgreSQL keeps no more digits of a second's fraction; what it rounds beyond them is too little to matter here.
_MICROSECONDS = 6
_UNFIT: Mapping[Family, str] = {
    "zoned": "which DMS carries as text, so that its filter would not compare it as a time",
    "number": "a number, and a window is a stretch of time",
    "float": "a number, and a window is a stretch of time",
    "string": "text, which a filter compares letter by letter",
    "interval": "which is not a point in time",
}


def require_window_column(
    place: str, window: ReloadColumn, target: str, source_table: str, described: Sequence[SourceColumn] | None
) -> None:
    """Require that a column can cut windows.

    ``place`` is the table's in the configuration, ``target`` and ``source_table`` its names with their schemas.
    ``described``: the source's columns, None if nobody described them. Raises ConfigError.
    """
    place = f"{place}.window_column"
    declared = parse_type(window.target.base_type)
    if declared.base != _WALL_CLOCK:
        raise WindowColumnType(
            place,
            f"{window.name!r} of {target} is {window.target.type}; a window needs a column of type timestamp without "
            "time zone, as DMS writes Oracle's DATE and TIMESTAMP: name another one, or add one on both sides that "
            "the application or a trigger fills",
        )
    source = next((column for column in described or () if column.name == window.source), None)
    if source is None:
        return
    if source.kind not in ("date", "timestamp"):
        family = source.type.family
        raise WindowColumnOfSource(
            place,
            f"{source_table}.{source.name} is {source.declared} in the source, "
            f"{_UNFIT.get(family, 'by which DMS cannot filter') if family else 'which DMS does not carry'}; name a "
            "column that is DATE or TIMESTAMP there, or add one on both sides that the application or a trigger fills "
            "(DMS does not carry virtual columns)",
        )
    digits = min(source.fraction_digits, _MICROSECONDS)
    if declared.size is not None and declared.size < digits:
        raise WindowColumnType(
            place,
            f"{window.name!r} of {target} is {window.target.type} and rounds {source.declared} to {declared.size} "
            "digits, so that a row at the end of a window would be in the next one there; declare it "
            f"timestamp({digits})",
        )
