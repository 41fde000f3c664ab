"""Reads the columns of a request: a JSON object with a list of columns of production for each table."""

from __future__ import annotations

from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.request_json import by_table

_FIX = 'write a list of columns for each table, such as {"orders": ["note", "amount"]}.'


def parse_columns(written: str) -> dict[str, list[str]]:
    """Return the columns by table. Raises RequestInvalid."""
    found = by_table("columns", written, _FIX)
    for table, names in found.items():
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise RequestInvalid("columns", f"{table!r} has no list of columns; {_FIX}")
    return found
