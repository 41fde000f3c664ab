"""``row_count``: staging has as many rows as the source has in the window."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.statements import run
from reload_assets.verify.context import Context, failed, first_problem, unverified
from reload_assets.verify.expectations import Expectation, Verdict
from reload_assets.verify.outcomes import CheckOutcome, Fact, counted

NAME = "row_count"


class RowCount:
    """The source is live, so it is counted before the load and after it; staging must lie between the two counts."""

    def expect(self, context: Context) -> Sequence[Expectation]:
        """One expectation where the source was counted twice."""
        bounds = _bounds(context)
        if bounds is None:
            return []
        low, high = bounds
        if low == high:
            return [Expectation(NAME, "ExpectTableRowCountToEqual", {"value": low})]
        return [Expectation(NAME, "ExpectTableRowCountToBeBetween", {"min_value": low, "max_value": high})]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """The outcome; without a source connection DMS's own count is all there is to compare with."""
        row = run(context.connection, "verify/count_rows", context.place).fetchone()
        assert row is not None
        rows: int = row[0]
        known: dict[str, int | None] = {
            "staged_rows": rows,
            "trimmed_rows": context.staged.trimmed_rows,
            "source_rows_before": context.staged.source_rows_before,
            "source_rows_after": context.staged.source_rows_after,
            "dms_rows": context.staged.dms_rows,
        }
        facts: dict[str, Fact] = {name: count for name, count in known.items() if count is not None}
        bounds = _bounds(context)
        if bounds is None:
            return _without_source(context, rows, facts)
        if failed(verdicts):
            return CheckOutcome(NAME, "failed", True, _difference(context, rows, bounds), facts)
        if problem := first_problem(verdicts):
            return unverified(NAME, context, problem)
        return CheckOutcome(NAME, "passed", True, _agreement(context, rows, bounds), facts)


def _bounds(context: Context) -> tuple[int, int] | None:
    before, after = context.staged.source_rows_before, context.staged.source_rows_after
    if not context.source_configured or context.source_problem or before is None or after is None:
        return None
    return min(before, after), max(before, after)


def _without_source(context: Context, rows: int, facts: dict[str, Fact]) -> CheckOutcome:
    if context.source_configured:
        problem = (context.source_problem or "it was not counted both before and after the load").rstrip(".")
        detail = (
            f"{context.name} has {counted(rows, 'row')}, but the source could not be counted: {problem}; mend that."
        )
        return CheckOutcome(NAME, "could not verify", True, detail, facts)
    delivered = context.staged.dms_rows
    arrived = rows + context.staged.trimmed_rows
    if delivered is not None and delivered != arrived:
        detail = (
            f"DMS says that it loaded {counted(delivered, 'row')} into {context.name}, which got {arrived:,} "
            f"({rows:,} of the window, {context.staged.trimmed_rows:,} trimmed beside it); reload the window again."
        )
        return CheckOutcome(NAME, "failed", True, detail, facts)
    agrees = "" if delivered is None else ", as many as DMS says that it loaded (with those trimmed)"
    detail = (
        f"{context.name} has {counted(rows, 'row')}{agrees}; the source could not be counted without a connection: "
        "configure source.connection to verify the count."
    )
    return CheckOutcome(NAME, "could not verify", False, detail, facts)


def _difference(context: Context, rows: int, bounds: tuple[int, int]) -> str:
    low, high = bounds
    counts = f"{low:,}" if low == high else f"between {low:,} and {high:,} (it changed during the load)"
    what = "missing" if rows < low else "too many"
    off = low - rows if rows < low else rows - high
    return (
        f"{context.name} has {counted(rows, 'row')} where the source has {counts} in the window, {off:,} {what}; "
        "reload the window again."
    )


def _agreement(context: Context, rows: int, bounds: tuple[int, int]) -> str:
    if bounds[0] == bounds[1]:
        return f"{context.name} has {counted(rows, 'row')}, as the source has in the window."
    return (
        f"{context.name} has {counted(rows, 'row')}; the source changed meanwhile, from "
        f"{context.staged.source_rows_before:,} before the load to {context.staged.source_rows_after:,} after it."
    )
