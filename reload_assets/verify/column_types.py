"""The check ``types``: staging has production's declared types, and these can hold the source's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from reload_assets.canonical.lost import spoken
from reload_assets.conversions.accepted import unaccepted
from reload_assets.ledger.records import StagedTable
from reload_assets.postgres.catalog import read_columns
from reload_assets.postgres.statements import Part, run
from reload_assets.tables import ReloadColumn, ReloadTable
from reload_assets.verify.context import Context, failed, first_problem, unverified
from reload_assets.verify.expectations import TypesOf, Verdict
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.pieces import staged_key_pieces

NAME = "types"


class ColumnTypes:
    """Passes if neither ``admin.oracle_pg_type_verification`` nor great_expectations finds a difference."""

    def expect(self, context: Context) -> Sequence[TypesOf]:
        """Expect the declared types that production has now."""
        if not context.production_columns:
            return []
        place = (context.staged.staging_schema, context.staged.staging_table)
        unfit = _unfit(context)
        known = {column.name for column in read_columns(context.connection, *place)}
        pairs = [
            (column.staged, column.name)
            for column in context.table.columns
            if column.staged in known and column.name not in unfit
        ]
        return [TypesOf(NAME, context.table.production.schema, context.table.production.name, pairs)]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome: how staging differs from production, and which source values production cannot hold."""
        differences = _differences(context)
        refused = list(_misfits(context))
        table = context.table_now
        losses = unaccepted(table)
        facts: dict[str, Fact] = {
            "columns": len(table.columns),
            "differences": len(differences),
            "losses": len(losses),
            "misfits": sum(one["misfits"] for one in context.staged.conversions.values()),
            "changed_values": sum(one["changed"] for one in context.staged.conversions.values()),
        }
        if failed(verdicts) and not differences:
            names = sorted(str(one.arguments["column"]) for one in verdicts if not one.success)
            differences = [f"great_expectations finds other types than production's for {', '.join(names)}"]
        found = []
        if differences:
            found.append(
                f"{context.name} does not match {table.target} as it is now: {'; '.join(differences)}; reload "
                "the window again, into a new staging table"
            )
        if losses:
            found.append(
                f"{table.target} cannot hold the source: {'; '.join(losses)}; change the type there, or accept the "
                f"loss in {context.field}.accept"
            )
        if refused:
            found.append(
                f"{table.target} refuses values of the source: {'; '.join(refused)}; fix these rows in the source, or "
                "change the type in production, then reload the window"
            )
        if found:
            return CheckOutcome(NAME, "failed", True, " -- ".join(found) + ".", facts)
        if problem := first_problem(verdicts):
            return unverified(NAME, context, problem)
        return CheckOutcome(NAME, "passed", True, _agreement(context), facts)


def _unfit(context: Context) -> dict[str, str | None]:
    """Return the columns that could not be converted, by their names in production, with PostgreSQL's refusal."""
    conversions = context.staged.conversions
    return {name: one["refusal"] for name, one in conversions.items() if one["misfits"] or one["refusal"]}


def _differences(context: Context) -> list[str]:
    rows = run(
        context.connection,
        "verify/2_staging:list_type_differences",
        reload_id=context.reload.reload_id,
        table_name=context.table.name,
    ).fetchall()
    unfit = _unfit(context)
    # Production wanted values all along, so the rows hold NULLs. The check of keys names these rows.
    lacking = {column.name for column in context.table.columns if column.target.not_null}
    sentences = []
    for column, target, staging, status in rows:
        if status == "MISSING TABLE":
            missing = context.name if target else context.table.target
            sentences.append(f"there is no table {missing} (MISSING TABLE)")
        elif status == "EXTRA COLUMN":
            sentences.append(f"production has no column for {column} {staging} (EXTRA COLUMN)")
        elif status == "MISSING COLUMN":
            sentences.append(f"staging has no column for {column} {target} (MISSING COLUMN)")
        elif column not in unfit and not (status == "NULLABILITY MISMATCH" and column in lacking):
            sentences.append(f"{column} is {staging} in staging and {target} in production ({status})")
    return sentences


def misfits(table: ReloadTable, staged: StagedTable) -> Iterator[tuple[ReloadColumn, dict[str, Part]]]:
    """Return the columns with values that production refuses, each with the piece that finds these."""
    for column, pair in table.pairs:
        if pair.staged is not None and staged.conversions.get(column.name, {}).get("misfits"):
            yield column, {"s_is_misfit": pair.staged.misfit(sql.Identifier("s", column.staged))}


def _misfits(context: Context) -> Iterator[str]:
    """Say which values production refuses, column by column, with the keys of some rows."""
    names = [column.staged for column in context.table.key]
    key = staged_key_pieces(context.table)
    for column, misfit in misfits(context.table, context.staged):
        count = context.staged.conversions[column.name]["misfits"]
        row = run(context.connection, "verify/3_staged_values:list_misfits", context.staging, key, misfit).fetchone()
        assert row is not None
        rows = f"{counted(count, 'value')} of {column.name} that {column.target.type} cannot hold"
        yield f"{rows} ({examples(row[0], names, count)})"
    for name, refusal in _unfit(context).items():
        if refusal is not None:
            yield f"{name} ({refusal})"


def _agreement(context: Context) -> str:
    table = context.table_now
    columns = counted(len(table.columns), "column")
    same = f"{context.name} has the declared types of {table.target} in {columns}"
    if table.source_columns is None:
        return f"{same}; the source's own types could not be compared, as there is no description of the source."
    remarks = [f"{pair.source.name}: {pair.conversion.note}" for _, pair in table.pairs if pair.conversion.note]
    for name, one in context.staged.conversions.items():
        if one["changed"]:
            lost = spoken(table.options.accept.get(name, ()))
            remarks.append(f"{counted(one['changed'], 'value')} of {name} lost {lost}, as accepted")
    said = f" (note: {'; '.join(remarks)})" if remarks else ""
    return f"{same}, and those can hold the source's{said}."
