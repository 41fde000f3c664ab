"""The files of sql/, as the tests about them find them."""

from __future__ import annotations

import re
from pathlib import Path

SQL = Path(__file__).parents[1] / "sql"

# ``sql/ledger/open.sql`` is ``ledger/open``.
NAMES = sorted(path.relative_to(SQL).with_suffix("").as_posix() for path in SQL.rglob("*.sql"))


def written(name: str) -> str:
    """The text of a file."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def by_hand(name: str) -> list[str] | None:
    """The files that the line ``-- By hand: psql -f ... -f ...`` runs, the file itself as the last."""
    found = re.search(r"^-- By hand: psql((?: -f sql/\S+)+)$", written(name), re.MULTILINE)
    return found[1].split(" -f sql/")[1:] if found else None
