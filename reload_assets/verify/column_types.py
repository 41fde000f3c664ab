"""The check ``types``: staging has production's declared types, and these can hold the source's values."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.postgres.catalog import read_columns
from reload_assets.postgres.statements import run
from reload_assets.verify.context import Context, failed, first_problem, unverified
from reload_assets.verify.expectations import TypesOf, Verdict
from reload_assets.verify.outcome import CheckOutcome, Fact, counted
from reload_assets.verify.type_rules import judge, note

NAME = "types"


class ColumnTypes:
    """Passes if neither ``admin.oracle_pg_type_verification`` nor great_expectations finds a difference."""

    def expect(self, context: Context) -> Sequence[TypesOf]:
        """Expect the declared types that production has now."""
        if not context.production_columns:
            return []
        place = (context.staged.staging_schema, context.staged.staging_table)
        known = {column.name for column in read_columns(context.connection, *place)}
        pairs = [(column.staged, column.name) for column in context.table.columns if column.staged in known]
        return [TypesOf(NAME, context.table.production.schema, context.table.production.name, pairs)]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome: how staging differs from production, and which source values production cannot hold."""
        differences = _differences(context)
        losses, notes = _against_source(context)
        facts: dict[str, Fact] = {
            "columns": len(context.table.columns),
            "differences": len(differences),
            "losses": len(losses),
        }
        if failed(verdicts) and not differences:
            names = sorted(str(one.arguments["column"]) for one in verdicts if not one.success)
            differences = [f"great_expectations finds other types than production's for {', '.join(names)}"]
        found = []
        if differences:
            found.append(
                f"{context.name} does not match {context.table.target} as it is now: {'; '.join(differences)}; reload "
                "the window again, into a new staging table"
            )
        if losses:
            found.append(f"{context.table.target} cannot hold the source: {'; '.join(losses)}; widen it there")
        if found:
            return CheckOutcome(NAME, "failed", True, " -- ".join(found) + ".", facts)
        if problem := first_problem(verdicts):
            return unverified(NAME, context, problem)
        return CheckOutcome(NAME, "passed", True, _agreement(context, notes), facts)


def _differences(context: Context) -> list[str]:
    rows = run(
        context.connection,
        "verify/2_staging:list_type_differences",
        reload_id=context.reload.reload_id,
        table_name=context.table.name,
    ).fetchall()
    sentences = []
    for column, target, staging, status in rows:
        if status == "MISSING TABLE":
            missing = context.name if target else context.table.target
            sentences.append(f"there is no table {missing} (MISSING TABLE)")
        elif status == "EXTRA COLUMN":
            sentences.append(f"production has no column for {column} {staging} (EXTRA COLUMN)")
        elif status == "MISSING COLUMN":
            sentences.append(f"staging has no column for {column} {target} (MISSING COLUMN)")
        else:
            sentences.append(f"{column} is {staging} in staging and {target} in production ({status})")
    return sentences


def _against_source(context: Context) -> tuple[list[str], list[str]]:
    """Return what production would lose of the source's values, and what deserves a note, column by column."""
    if context.table.source_columns is None:
        return [], []
    place = {"schema": context.table.production.schema, "table": context.table.production.name}
    types = dict(run(context.connection, "verify/1_source_keys:list_base_types", **place).fetchall())
    described = {column.name: column for column in context.table.source_columns}
    losses, notes = [], []
    for column in context.table.columns:
        source, declared = described.get(column.source), types.get(column.name)
        if source is None or declared is None:
            continue
        if loss := judge(source, declared):
            losses.append(f"{source.name} is {source.declared}, {column.name} is {declared}, which would lose {loss}")
        elif remark := note(source, declared):
            notes.append(f"{source.name}: {remark}")
    return losses, notes


def _agreement(context: Context, notes: list[str]) -> str:
    columns = counted(len(context.table.columns), "column")
    same = f"{context.name} has the declared types of {context.table.target} in {columns}"
    if context.table.source_columns is None:
        return f"{same}; the source's own types could not be compared, as there is no description of the source."
    remarks = f" (note: {'; '.join(notes)})" if notes else ""
    return f"{same}, and those can hold the source's{remarks}."
