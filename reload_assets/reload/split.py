"""Finds when the rows with some keys lie, so that a long list of keys can become the windows that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reload_assets.config.model import ReloadConfig
from reload_assets.ledger.records import Key
from reload_assets.ledger.selected import canonical_keys, moments_in_production
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

Moments = Mapping[Key, Sequence[datetime]]
"""The values of the window column by key, on both sides, as wall-clock values of the source's zone."""


def moments_of(
    config: ReloadConfig,
    target: TargetDatabase,
    reader: SourceReader | None,
    group: str,
    keys: Mapping[str, Sequence[Key]],
) -> dict[str, Moments]:
    """Return when the rows with ``keys`` lie in production, and in the source if there is a connection, by table.

    Keys are canonical then. One without a row, or whose rows have no time that a window can have, has no moment. Raises
    ConfigError, KeysUnreadable and SourceUnavailable.
    """
    found: dict[str, Moments] = {}
    with target.connect(autocommit=True) as connection:
        for table in resolve_group(group_tables(config, group), connection, reader, keys.keys()):
            wanted = canonical_keys(connection, table, keys[table.name])
            moments: dict[Key, list[datetime]] = {key: [] for key in wanted}
            read = moments_in_production(connection, table, wanted)
            if reader is not None:
                names = [column.source for column in table.key]
                rows = reader.of(table.source_schema).rows_as_text(
                    table.source_table, [*names, table.window.source], names, wanted
                )
                read += [(tuple(map(str, row[:-1])), str(row[-1])) for row in rows if row[-1] is not None]
            for key, text in read:
                if (moment := _moment(text)) is not None:
                    moments.setdefault(key, []).append(moment)
            found[table.name] = moments
    return found


def _moment(text: str) -> datetime | None:
    """Read a time as canonical text; None if it is infinite or outside the years 1 to 9999, as no window is."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
