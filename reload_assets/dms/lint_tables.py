"""Lints table-settings rules: parallel loads and LOBs of one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from reload_assets.dms.findings import Finding, Fix, inexact_names, rule_id, unknown_word, whole_number
from reload_assets.dms.ranges import comparable
from reload_assets.dms.vocabulary import LOB_MODES, LONGEST_LIMITED_LOB_KB, MOST_RANGE_COLUMNS, PARALLEL_LOADS

Rule = Mapping[str, Any]


def table_settings_findings(rule: Rule) -> Iterator[Finding]:
    """Return the mistakes of one table-settings rule, whose members are of the right kinds."""
    number = rule_id(rule)
    yield from inexact_names(rule, "A table-settings rule")
    load, lobs = rule.get("parallel-load"), rule.get("lob-settings")
    if load is None and lobs is None:
        said = "The rule has neither parallel-load nor lob-settings, so it changes nothing; add one of them."
        yield Finding(number, "empty-table-settings", said)
    if load is not None:
        yield from _parallel_load(number, load)
    if lobs is not None:
        yield from _lobs(number, lobs)


def _parallel_load(number: str | None, load: Mapping[str, Any]) -> Iterator[Finding]:
    kind = load.get("type")
    if kind not in PARALLEL_LOADS:
        yield unknown_word(number, "unknown-parallel-load", "parallel-load.type", kind, PARALLEL_LOADS)
    if kind != "ranges":
        return
    columns, boundaries = load.get("columns") or [], load.get("boundaries") or []
    if not 1 <= len(columns) <= MOST_RANGE_COLUMNS:
        said = f"The ranges have {len(columns)} columns; name 1 to {MOST_RANGE_COLUMNS}."
        yield Finding(number, "bad-boundaries", said)
    elif not boundaries:
        yield Finding(number, "bad-boundaries", "The ranges have no boundaries; write [[...], ...].")
    elif wrong := next((one for one in boundaries if len(one) != len(columns)), None):
        said = f"The boundary {wrong} has {len(wrong)} values for {len(columns)} columns; give one per column."
        yield Finding(number, "bad-boundaries", said)
    else:
        said = "Ranges leave out the rows that are NULL in one of their columns; load the table without parallel-load."
        yield Finding(number, "ranges-lose-nulls", said)
        keys = comparable(boundaries)
        if any(later <= earlier for earlier, later in pairwise(keys)):
            said = "The boundaries do not ascend, so segments are empty; write them from the lowest to the highest."
            yield Finding(number, "unordered-boundaries", said)


def _lobs(number: str | None, lobs: Mapping[str, Any]) -> Iterator[Finding]:
    mode, size = lobs.get("mode") or "limited", lobs.get("bulk-max-size")
    if mode not in LOB_MODES:
        yield unknown_word(number, "unknown-lob-mode", "lob-settings.mode", mode, LOB_MODES)
        return
    kilobytes = None if size is None else whole_number(size)
    if size is not None and kilobytes is None:
        yield Finding(number, "bad-lob-size", f"The bulk-max-size {size!r} is not a whole number of KB; write one.")
    elif mode == "limited" and not 1 <= (kilobytes or 0) <= LONGEST_LIMITED_LOB_KB:
        said = f"In mode limited, bulk-max-size is 1 to {LONGEST_LIMITED_LOB_KB} KB and not {size!r}; write one."
        yield Finding(number, "bad-lob-size", said)
    elif mode == "unlimited" and kilobytes:
        said = f"The bulk-max-size {size} has an effect with Db2 and SAP ASE only in mode unlimited; set it to 0."
        yield Finding(number, "combined-lob-mode", said, Fix("lob-settings.bulk-max-size", "0"))
