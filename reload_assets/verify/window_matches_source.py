"""The check ``window_matches_source``: production's window has the source's keys, versions and content."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.cdc.position import Cdc
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples

if TYPE_CHECKING:
    from reload_assets.compare.window import Contents
    from reload_assets.source.reader import SourceReader

_WORDS = {
    "missing": "missing in production",
    "other": "of another version in production",
    "content": "of the same version and other content in production",
    "later": "of a later version in production than the source has",
    "extra": "in production only",
}


def compare_with_source(
    name: str,
    connection: Connection[Any],
    table: ReloadTable,
    bounds: tuple[datetime, datetime],
    reader: SourceReader | None,
    cdc: Cdc | None,
) -> CheckOutcome:
    """Return the outcome. ``bounds`` are wall-clock values in the source's zone. The connection is in autocommit mode.

    With ``cdc`` production is read once CDC has passed what was read from the source, and again if it differs.
    Raises SourceUnavailable, CdcNotReady, and psycopg's errors.
    """
    if reader is None:
        detail = f"{table.target} could not be compared with the source: configure source.connection to do so."
        return CheckOutcome(name, "could not verify", False, detail)
    # Imported here because it imports SQLAlchemy, which a process without a source does not need.
    from reload_assets.compare.window import compare_contents

    return _outcome(name, table, compare_contents(connection, table, bounds, reader, cdc))


def _outcome(name: str, table: ReloadTable, found: Contents) -> CheckOutcome:
    counts = {kind: found.counts.get(kind, 0) for kind in ("same", "newer", *_WORDS)}
    facts: dict[str, Fact] = {
        **counts,
        "segments": found.segments,
        "segments_differing": found.segments_differing,
    }
    if counts["extra"]:
        facts |= {"extra_looked_up": found.looked_up, "extra_gone_from_source": found.gone}
    left_out = ", ".join(f"{column} ({why})" for column, why in found.left_out.items())
    if left_out:
        facts["not_compared"] = left_out
    but = f", except {left_out}, which cannot be compared" if left_out else ""
    lag = (
        f"; {counted(counts['newer'], 'row')} newer in production than when the source was read"
        if counts["newer"]
        else ""
    )
    wrong = _wrong(table, found, counts)
    if wrong:
        detail = (
            f"The window of {table.target} is not the source's: {wrong}{lag}; check again once CDC has caught up, then "
            "reload the window, or remove rows that the source has deleted."
        )
        return CheckOutcome(name, "failed", False, detail, facts)
    total = counts["same"] + counts["newer"]
    detail = (
        f"The window of {table.target} has the keys, versions and content of the source's {counted(total, 'row')}"
        f"{but}{lag}."
    )
    return CheckOutcome(name, "passed", False, detail, facts)


def _wrong(table: ReloadTable, found: Contents, counts: Mapping[str, int]) -> str:
    keys = [column.name for column in table.key]
    wrong = []
    for kind, text in _WORDS.items():
        if count := counts[kind]:
            sentence = f"{counted(count, 'row')} {text} ({examples(found.some[kind], keys, count)})"
            if kind == "extra":
                moved = found.looked_up - found.gone
                of = "" if found.looked_up == count else f" of the first {found.looked_up:,}"
                sentence += f", {found.gone:,}{of} gone from the source and {moved:,} moved out of the window there"
            wrong.append(sentence)
    return "; ".join(wrong)
