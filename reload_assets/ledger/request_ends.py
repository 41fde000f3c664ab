"""Closes requests that need no run any more: other reloads did what they ask for, or all of their parts have ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import prefer_hash_joins
from reload_assets.postgres.statements import run


def close_healed(target: TargetDatabase, tables: Mapping[str, Sequence[str]]) -> int:
    """Close as healed the requests whose window, or all of whose keys, other reloads have confirmed since.

    ``tables``: the tables of each group. Returns how many there were.
    """
    with target.connect() as connection:
        of_groups = json.dumps({group: list(names) for group, names in tables.items()})
        windows = run(connection, "requests:close_healed_windows", tables_of_groups=of_groups).rowcount
        # Nothing may be known yet of the ledger's tables, and lists may be long on both sides.
        with prefer_hash_joins(connection):
            return windows + run(connection, "requests:close_healed_keys").rowcount


def close_split(target: TargetDatabase) -> int:
    """Close the requests that were split, once all of their parts have ended. Returns how many there were."""
    with target.connect() as connection:
        return run(connection, "requests:close_split").rowcount
