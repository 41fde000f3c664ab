"""Decides whether a finder's request goes ahead, or is held until a person has looked at it.

Counts come from the evidence of a finding with a window: ``source_rows`` and ``production_rows`` are the rows of the
window on each side, ``missing`` are rows that production lacks, ``differing`` rows with other content, ``extra`` rows
that only production has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reload_assets.config.finders import HealingLimits
from reload_assets.finders.finding import Finding
from reload_assets.verify.outcome import counted

_WRONG = ("missing", "differing", "extra")


@dataclass(frozen=True)
class Asking:
    """How much a finder asks for: keys and windows."""

    keys: int = 0
    windows: int = 0


def why_all_held(limits: HealingLimits, finder: str, each: Sequence[Asking]) -> str | None:
    """Return why all requests that a finder makes in one tick are held; None if none is for this reason."""
    keys = sum(one.keys for one in each)
    if keys > limits.keys_per_tick:
        return (
            f"the finder {finder} asks for {counted(keys, 'key')} at once, and finders.limits.keys_per_tick is "
            f"{limits.keys_per_tick:,}"
        )
    if len(each) > limits.requests_per_tick:
        return (
            f"the finder {finder} makes {counted(len(each), 'request')} at once, and "
            f"finders.limits.requests_per_tick is {limits.requests_per_tick:,}"
        )
    return None


def why_held_today(limits: HealingLimits, before: Asking, asked: Asking) -> str | None:
    """Return why a request is held after what finders have asked for within 24 hours; None if it is not."""
    for what, had, more, most in (
        ("keys", before.keys, asked.keys, limits.keys_per_day),
        ("windows", before.windows, asked.windows, limits.windows_per_day),
    ):
        if more and had + more > most:
            return (
                f"with it, finders would have asked for {counted(had + more, what[:-1])} within 24 hours, and "
                f"finders.limits.{what}_per_day is {most:,}"
            )
    return None


def why_doubtful(limits: HealingLimits, findings: Iterable[Finding]) -> str | None:
    """Return why the counts of findings need a person; None if they do not. What was not counted limits nothing."""
    for finding in findings:
        counts = finding.evidence
        source, production, missing = (_rows(counts, name) for name in ("source_rows", "production_rows", "missing"))
        where = f"of {finding.table} in {finding.window}" if finding.window else f"of {finding.table}"
        wrong = sum(_rows(counts, name) or 0 for name in _WRONG)
        if wrong > limits.rows_per_window:
            return (
                f"{wrong:,} rows {where} look wrong, and finders.limits.rows_per_window is {limits.rows_per_window:,}"
            )
        most = max(source or 0, production or 0)
        if most and wrong / most > limits.share_per_window:
            return (
                f"{wrong:,} of {most:,} rows {where} look wrong, and finders.limits.share_per_window is "
                f"{limits.share_per_window:g}"
            )
        if None not in (source, production, missing):
            short = max((source or 0) - (production or 0), 0)
            if (missing or 0) > short:
                # Keys that the two sides write differently look like this: each row is missing, and another is extra.
                return (
                    f"{missing:,} rows {where} look missing in production, but it has only {short:,} rows less than "
                    "the source"
                )
    return None


def _rows(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if isinstance(value, int) else None
