"""Reads the JSON of a request: what Python cannot read is refused with a sentence, as anything else that is wrong."""

from __future__ import annotations

import json
from typing import Any

from reload_assets.errors.windows import RequestInvalid


def by_table(column: str, written: str, fix: str) -> dict[str, Any]:
    """Return a JSON object by table. Numbers keep their spelling. Raises RequestInvalid, with how to ``fix`` it.

    ``column`` of the request has it.
    """
    try:
        found = json.loads(written, parse_float=str, parse_int=str)
    except RecursionError:
        found = None
    if not isinstance(found, dict) or not found:
        raise RequestInvalid(column, f"is not an object with tables; {fix}")
    return found
