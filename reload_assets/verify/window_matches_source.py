"""The checks ``window_matches_source`` and ``keys_match_source``: keys, versions and content are the source's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.cdc.position import Cdc
from reload_assets.ledger.records import Reload
from reload_assets.ledger.selected import read_keys, selected_keys
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples

if TYPE_CHECKING:
    from reload_assets.compare.window import Contents
    from reload_assets.source.reader import SourceReader

_POLICIES = {"content": "equal_version: skip", "unversioned": "null_version: report", "extra": "orphans: report"}
_WORDS = {
    "missing": "missing in production",
    "other": "of another version in production",
    "content": "of the same version and other content in production",
    "unversioned": "of other content in production, without a version on one side",
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
        return _without_source(name, table)
    # Imported here because it imports SQLAlchemy, which a process without a source does not need.
    from reload_assets.compare.window import compare_contents

    return _outcome(name, table, "window", compare_contents(connection, table, bounds, reader, cdc))


def compare_keys_with_source(
    name: str,
    connection: Connection[Any],
    reload: Reload,
    table: ReloadTable,
    reader: SourceReader | None,
    cdc: Cdc | None,
) -> CheckOutcome:
    """Return the outcome for the keys that a reload selects; see ``compare_with_source``."""
    if reader is None:
        return _without_source(name, table)
    # Imported here for the same reason.
    from reload_assets.compare.by_key import compare_keys

    keys = read_keys(connection, reload.reload_id, table.name)
    found = compare_keys(connection, table, keys, selected_keys(reload, table), reader, cdc)
    return _outcome(name, table, "selected keys", found)


def _without_source(name: str, table: ReloadTable) -> CheckOutcome:
    detail = f"{table.target} could not be compared with the source: configure source.connection to do so."
    return CheckOutcome(name, "could not verify", False, detail)


def _outcome(name: str, table: ReloadTable, what: str, found: Contents) -> CheckOutcome:
    are, have = ("is", "has") if what == "window" else ("are", "have")
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
    # Which of the extra rows are gone is known by number only: where some are wrong, all are named together.
    left_alone = {kind: count for kind, count in found.left.items() if kind != "extra" or not found.wrong["extra"]}
    left = _sentences(table, found, left_alone, by_policy=True)
    facts |= {f"{kind}_left": count for kind, count in found.left.items()}
    leaver = "the table's policies leave" if table.limited_to is None else "the reload leaves"
    apart = f"; {leaver} {left}" if left else ""
    if not found.equal:
        wrong = {
            kind: found.counts[kind] if kind == "extra" and count else count for kind, count in found.wrong.items()
        }
        detail = (
            f"The {what} of {table.target} {are} not the source's: {_sentences(table, found, wrong)}{lag}{apart}; "
            f"check again once CDC has caught up, then reload the {what}{_meddlers(table)}."
        )
        return CheckOutcome(name, "failed", False, detail, facts)
    total = counts["same"] + counts["newer"]
    equal = "keys, versions and content" if table.limited_to is None else f"values in {', '.join(table.limited_to)}"
    detail = (
        f"The {what} of {table.target} {have} the {equal} of the source's {counted(total, 'row')}{but}{lag}{apart}."
    )
    return CheckOutcome(name, "passed", False, detail, facts)


def _sentences(table: ReloadTable, found: Contents, counts: Mapping[str, int], *, by_policy: bool = False) -> str:
    """Say which rows differ: some of those of each outcome, and why they are left where a policy leaves them."""
    keys = [column.name for column in table.key]
    said = []
    for kind, text in _WORDS.items():
        if count := counts.get(kind, 0):
            sentence = f"{counted(count, 'row')} {text} ({examples(found.some[kind], keys, count)})"
            if by_policy:
                sentence += f" ({_why_left(table, kind)})"
            elif kind == "extra":
                moved = found.looked_up - found.gone
                of = "" if found.looked_up == found.counts[kind] else f" of the first {found.looked_up:,}"
                sentence += f", {found.gone:,}{of} gone from the source and {moved:,} moved out of the window there"
            said.append(sentence)
    return "; ".join(said)


def _why_left(table: ReloadTable, kind: str) -> str:
    """Return what leaves the rows of an outcome as they are."""
    if table.limited_to is not None and kind in ("missing", "extra"):
        return f"columns: only {', '.join(table.limited_to)}"
    return _POLICIES[kind]


def _meddlers(table: ReloadTable) -> str:
    """Return a hint at the triggers because of which a row may differ however often it is loaded."""
    names = [f"{trigger.name} of {trigger.table}" for trigger in table.production.triggers]
    if not names:
        return ""
    which = f"trigger {names[0]}" if len(names) == 1 else f"triggers {', '.join(names)}"
    return f"; the {which} can change what is written"
