"""What Dagster calls tables: it takes only letters, digits and underscores, and makes names of its own from them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z0-9_]+")


def labels(tables: Iterable[str]) -> dict[str, str]:
    """Return a label for each of all configured tables: its name where Dagster takes it, else one that is alike.

    No two tables have the same label, and a table whose name Dagster takes keeps it whatever the others are called.
    """
    names = list(dict.fromkeys(tables))
    found = {name: name for name in names if _PLAIN.fullmatch(name)}
    taken = set(found)
    for name in names:
        if name not in found:
            found[name] = _free(_alike(name), taken)
            taken.add(found[name])
    return found


def _alike(name: str) -> str:
    """``order-items`` becomes ``order_items``; letters lose their accents."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9_]", "_", plain)


def _free(label: str, taken: set[str]) -> str:
    candidate, number = label, 1
    while candidate in taken:
        number += 1
        candidate = f"{label}_{number}"
    return candidate
