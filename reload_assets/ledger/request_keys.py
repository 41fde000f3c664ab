"""Reads the keys of a request: a JSON object with a list of keys for each table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.records import Key
from reload_assets.ledger.request_json import by_table

_FIX = 'write a list of keys for each table, such as {"orders": [1001, 1002], "order_lines": [[1001, 1]]}.'


def parse_keys(written: str) -> dict[str, list[Key]]:
    """Return the keys by table, their values as text. Raises RequestInvalid.

    A number keeps the spelling of the JSON text, however many digits it has.
    """
    return {table: _keys(table, keys) for table, keys in by_table("keys", written, _FIX).items()}


def write_keys(keys: Mapping[str, Sequence[Key]]) -> str:
    """Return keys by table as JSON, as ``parse_keys`` reads it: a key of one column is written without a list."""
    return json.dumps({table: [key[0] if len(key) == 1 else list(key) for key in some] for table, some in keys.items()})


def _keys(table: str, keys: Any) -> list[Key]:
    if not isinstance(keys, list) or not keys:
        raise RequestInvalid("keys", f"{table!r} has no list of keys; {_FIX}")
    return [_key(table, key) for key in keys]


def _key(table: str, key: Any) -> Key:
    values = key if isinstance(key, list) else [key]
    if not values or not all(isinstance(value, str) for value in values):
        raise RequestInvalid(
            "keys", f"{json.dumps(key)} is not a key of {table!r}, which are texts and numbers; {_FIX}"
        )
    return tuple(values)
