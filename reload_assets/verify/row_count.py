"""The check ``row_count``: staging has each row that the source had throughout the load, and none twice."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.postgres.statements import run
from reload_assets.verify.context import Context, failed, first_problem, unverified
from reload_assets.verify.expectations import Expectation, Verdict
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.source_keys import Matched, unmatched

NAME = "row_count"


class RowCount:
    """Keys say which rows must be staged, as the source is live: see ``reload_assets.verify.source_keys``.

    If the keys do not have the same text on both sides, there are only the counts before and after the load. Rows may
    have come and gone in between. So the counts prove a load good if both equal staging's, and prove nothing else.
    """

    def expect(self, context: Context) -> Sequence[Expectation]:
        """Return one expectation if it is known which rows must be staged."""
        if _without_keys(context):
            return []
        matched = context.matched
        if isinstance(matched, str) or not matched.exact:
            return []
        # At least the rows that were there throughout the load and those that arrived; at most these, and none twice.
        must = matched.noted - matched.changed + matched.arrived
        most = matched.noted - matched.changed - matched.lacking + matched.arrived
        if must == most:
            return [Expectation(NAME, "ExpectTableRowCountToEqual", {"value": must})]
        return [Expectation(NAME, "ExpectTableRowCountToBeBetween", {"min_value": must})]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome. Without a source connection only DMS's own count is there to compare with."""
        row = run(context.connection, "verify/2_staging:count_rows", context.staging).fetchone()
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
        reason = _without_keys(context)
        matched = None if reason else context.matched
        if isinstance(matched, Matched):
            facts |= {"lacking": matched.lacking, "changed_meanwhile": matched.changed, "arrived": matched.arrived}
            if matched.lacking:
                return CheckOutcome(NAME, "failed", True, _lacking(context, rows, matched), facts)
        if rows != context.staged.staged_rows:
            detail = (
                f"{context.name} has {counted(rows, 'row')} where the load left {context.staged.staged_rows:,}: "
                "somebody has changed it since; reload the window again."
            )
            return CheckOutcome(NAME, "failed", True, detail, facts)
        if isinstance(matched, Matched):
            if failed(verdicts):
                return CheckOutcome(NAME, "failed", True, _too_many(context, rows, matched), facts)
            if problem := first_problem(verdicts):
                return unverified(NAME, context, problem)
            return CheckOutcome(NAME, "passed", True, _agreement(context, rows, matched), facts)
        if isinstance(matched, str):
            detail = f"{context.name} has {counted(rows, 'row')}, but the source could not be compared: {matched}"
            return CheckOutcome(NAME, "could not verify", True, detail, facts)
        return _by_counts(context, rows, reason or "", facts)


def _without_keys(context: Context) -> str | None:
    """Return why there are only counts to compare with; None if there are keys."""
    if not context.source_configured:
        return "without a connection to the source"
    return unmatched(context.table)


def _by_counts(context: Context, rows: int, reason: str, facts: dict[str, Fact]) -> CheckOutcome:
    before, after = context.staged.source_rows_before, context.staged.source_rows_after
    if context.source_configured and (before is None or after is None):
        detail = (
            f"{context.name} has {counted(rows, 'row')}, but the source was not counted both before and after the "
            "load; reload the window again."
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
    if context.source_configured and before == after == rows:
        detail = f"{context.name} has {counted(rows, 'row')}, as the source has in the window."
        return CheckOutcome(NAME, "passed", True, detail, facts)
    agrees = "" if delivered is None else ", as many as DMS says that it loaded (with those trimmed)"
    if not context.source_configured:
        detail = (
            f"{context.name} has {counted(rows, 'row')}{agrees}; the source could not be counted without a connection: "
            "configure source.connection to verify the count."
        )
        return CheckOutcome(NAME, "could not verify", False, detail, facts)
    detail = (
        f"{context.name} has {counted(rows, 'row')}{agrees}, the source had {before:,} before the load and {after:,} "
        f"after it; their keys do not say which of them must be staged, because {reason}."
    )
    return CheckOutcome(NAME, "could not verify", False, detail, facts)


def _lacking(context: Context, rows: int, matched: Matched) -> str:
    least = "" if matched.exact else "at least "
    keys = examples(matched.some, [column.name for column in context.table.key], matched.lacking)
    return (
        f"{context.name} has {counted(rows, 'row')} and lacks {least}{counted(matched.lacking, 'row')} that the source "
        f"had in the window before the load and has after it, unchanged ({keys}); reload the window again."
    )


def _too_many(context: Context, rows: int, matched: Matched) -> str:
    keys = matched.noted - matched.changed + matched.arrived
    return (
        f"{context.name} has {counted(rows, 'row')} of {counted(keys, 'key')}: rows are staged more than once; reload "
        "the window again."
    )


def _agreement(context: Context, rows: int, matched: Matched) -> str:
    if not matched.arrived and not matched.changed:
        return f"{context.name} has {counted(rows, 'row')}, as the source has in the window."
    return (
        f"{context.name} has {counted(rows, 'row')}, with each that the source had in the window all the time; "
        f"the source changed meanwhile: {matched.arrived:,} came, and {matched.changed:,} were not loaded as they were "
        "deleted, moved or changed."
    )
