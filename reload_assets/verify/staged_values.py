"""The checks ``window_bounds``, ``only_selected``, ``keys`` and ``lob_limit``, which look only at the staged rows."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.ledger.selected import is_selected
from reload_assets.postgres.catalog import Column
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadColumn, ReloadTable
from reload_assets.verify.context import Context, first_problem, unverified
from reload_assets.verify.expectations import Expectation, Verdict
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.pieces import lob_pieces, staged_key_pieces

_TARGET_LOBS = ("text", "bytea", "xml", "json", "jsonb")
_NOT_NULL = "ExpectColumnValuesToNotBeNull"


class WindowBounds:
    """No staged row lies outside the half-open window that was loaded, or lacks a value in the window column."""

    NAME = "window_bounds"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """Return no expectation: great_expectations cannot check a half-open range, or infinite times."""
        return []

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome, with the number of rows before, after and without a place in the window."""
        column = context.table.window.staged
        bounds = context.reload.bounds(context.zone)
        assert bounds is not None, "the check is for a window"
        start, end = bounds
        window = f"[{start.isoformat(' ')}, {end.isoformat(' ')}) in {context.zone}"
        facts: dict[str, Fact] = {"window_start": start.isoformat(), "window_end": end.isoformat()}
        found = run(
            context.connection,
            "verify/3_staged_values:count_outside",
            context.staging,
            {"staged_window_column": column},
            start=start,
            end=end,
        ).fetchone()
        if found is None:
            return CheckOutcome(self.NAME, "passed", True, f"{column} of {context.name} lies in {window}.", facts)
        outside, without, earliest, latest = found
        facts |= {"outside": outside, "without": without, "earliest": earliest, "latest": latest}
        parts = []
        if outside:
            parts.append(f"{counted(outside, 'row')} outside {window} (from {earliest} to {latest})")
        if without:
            parts.append(f"{counted(without, 'row')} without a value")
        detail = (
            f"{column} of {context.name} has {' and '.join(parts)}; check the task's mapping and source.time_zone, "
            "then reload the window."
        )
        return CheckOutcome(self.NAME, "failed", True, detail, facts)


class OnlySelected:
    """No staged row has another key than those that the reload selects."""

    NAME = "only_selected"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """Return no expectation: the selected keys are in another table."""
        return []

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome, with some of the keys that are not selected."""
        selected = is_selected(context.reload, context.table, context.zone, "s", staged=True)
        pieces = {"s_is_selected": selected}
        key = staged_key_pieces(context.table)
        row = run(
            context.connection, "verify/3_staged_values:count_unselected", context.staging, key, pieces
        ).fetchone()
        assert row is not None
        rows, some = row
        if rows:
            names = [column.name for column in context.table.key]
            detail = (
                f"{context.name} has {counted(rows, 'row')} of keys that were not selected "
                f"({examples(some, names, rows)}); somebody wrote into it: reload the keys again."
            )
            return CheckOutcome(self.NAME, "failed", True, detail, {"unselected": rows})
        return CheckOutcome(self.NAME, "passed", True, f"{context.name} has rows of selected keys only.", {})


class Keys:
    """Keys are unique and have no NULL, nor has any column that production declares NOT NULL.

    great_expectations finds which of these fails. Our SQL then counts the rows and names some.
    """

    NAME = "keys"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """Expect unique keys, and values in every column that needs one."""
        key = [column.staged for column in context.table.key]
        unique = (
            Expectation(self.NAME, "ExpectColumnValuesToBeUnique", {"column": key[0]})
            if len(key) == 1
            else Expectation(
                self.NAME, "ExpectCompoundColumnsToBeUnique", {"column_list": key, "ignore_row_if": "never"}
            )
        )
        return [unique, *(Expectation(self.NAME, _NOT_NULL, {"column": name}) for name in _needed(context))]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome, with keys and columns by name."""
        names = [column.staged for column in context.table.key]
        facts: dict[str, Fact] = {"duplicate_keys": 0, "duplicate_rows": 0, "null_values": 0}
        found = [
            self._nulls(context, names, verdict.arguments["column"], facts)
            if verdict.kind == _NOT_NULL
            else self._duplicates(context, names, facts)
            for verdict in verdicts
            if verdict.failed
        ]
        if found:
            detail = f"{context.name} has {'; '.join(found)}; {self._fix(context, verdicts)}, then reload the window."
            return CheckOutcome(self.NAME, "failed", True, detail, facts)
        if problem := first_problem(verdicts):
            return unverified(self.NAME, context, problem)
        detail = f"{', '.join(names)} of {context.name} is unique, and no column that needs a value is NULL."
        return CheckOutcome(self.NAME, "passed", True, detail, facts)

    @staticmethod
    def _fix(context: Context, verdicts: Sequence[Verdict]) -> str:
        """Return what to do about the rows: about their keys, or about values that production does not want NULL."""
        lacking = [verdict.arguments["column"] for verdict in verdicts if verdict.kind == _NOT_NULL and verdict.failed]
        needed, key = _needed(context), {column.staged for column in context.table.key}
        strict = [needed[name].name for name in lacking if name not in key]
        fixes = []
        if any(verdict.failed and verdict.kind != _NOT_NULL for verdict in verdicts) or key.intersection(lacking):
            fixes.append(f"fix those rows in the source, or {context.field}.key")
        if strict:
            drops = ", ".join(f"ALTER COLUMN {name} DROP NOT NULL" for name in strict)
            fixes.append(f"give these columns a value in the source, or ALTER TABLE {context.table.target} {drops}")
        return "; ".join(fixes)

    @staticmethod
    def _duplicates(context: Context, names: list[str], facts: dict[str, Fact]) -> str:
        row = run(
            context.connection,
            "verify/3_staged_values:count_duplicates",
            context.staging,
            staged_key_pieces(context.table),
        ).fetchone()
        assert row is not None
        duplicates, rows, some = row
        facts |= {"duplicate_keys": duplicates, "duplicate_rows": rows}
        return f"{counted(duplicates, 'key')} in {counted(rows, 'row')} ({examples(some, names, duplicates)})"

    @staticmethod
    def _nulls(context: Context, names: list[str], column: str, facts: dict[str, Fact]) -> str:
        row = run(
            context.connection,
            "verify/3_staged_values:count_nulls",
            context.staging,
            staged_key_pieces(context.table),
            {"needed_column": column},
        ).fetchone()
        assert row is not None
        nulls, some = row
        facts["null_values"] = int(facts["null_values"]) + nulls
        is_key = _needed(context)[column] in context.table.key
        why = "which is part of the key" if is_key else "which production declares NOT NULL"
        return f"{counted(nulls, 'row')} with a NULL in {column}, {why} ({examples(some, names, nulls)})"


class LobLimit:
    """No LOB reaches the limit at which DMS cuts LOBs, for which it only logs a warning."""

    NAME = "lob_limit"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """Return no expectation: great_expectations counts characters and not bytes."""
        return []

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome, with the columns that were cut."""
        limit_kb = context.lob_limit_kb
        lobs = lob_columns(context.table, limit_kb)
        cut = {column.staged: (self._count_cut(context, column, limit), limit) for column, limit in lobs}
        facts: dict[str, Fact] = {
            "limit_kb": limit_kb,
            "lob_columns": len(lobs),
            "cut_values": sum(values for values, _ in cut.values()),
        }
        found = [
            f"{counted(values, 'value')} of {name} at {limit // 1024:,} KB"
            for name, (values, limit) in cut.items()
            if values
        ]
        if found:
            detail = (
                f"{context.name} has {' and '.join(found)}, where DMS cuts LOBs; raise dms.task.lob_limit_kb "
                f"(now {limit_kb:,}) above the longest value, then reload the window."
            )
            return CheckOutcome(self.NAME, "failed", True, detail, facts)
        if not lobs:
            return CheckOutcome(self.NAME, "passed", True, f"{context.name} has no LOB columns.", facts)
        names = ", ".join(column.staged for column, _ in lobs)
        detail = f"No value of {names} of {context.name} reaches {limit_kb:,} KB, where DMS cuts LOBs."
        return CheckOutcome(self.NAME, "passed", True, detail, facts)

    @staticmethod
    def _count_cut(context: Context, column: ReloadColumn, limit: int) -> int:
        row = run(
            context.connection,
            "verify/3_staged_values:count_cut_lobs",
            context.staging,
            lob_pieces(column),
            limit_bytes=limit,
        ).fetchone()
        return int(row[0]) if row else 0


def _needed(context: Context) -> dict[str, ReloadColumn]:
    return needed_columns(context.table, context.production_columns)


def needed_columns(table: ReloadTable, production_columns: Sequence[Column]) -> dict[str, ReloadColumn]:
    """Return staging's names of the columns that need a value."""
    strict = {column.name for column in production_columns if column.not_null}
    return {column.staged: column for column in table.columns if column.name in strict or column in table.key}


def lob_columns(table: ReloadTable, limit_kb: int) -> list[tuple[ReloadColumn, int]]:
    """Return the LOB columns, each with the limit (bytes) at which DMS cuts it.

    The source's declarations say which they are, or else production's types.
    """
    limit = limit_kb * 1024
    source = table.source_columns
    if source is None:
        return [(column, limit) for column in table.columns if column.target.type in _TARGET_LOBS]
    described = {column.name: column for column in source}
    return [
        (column, min(limit, described[column.source].type.most_bytes or limit))
        for column in table.columns
        if column.source in described and described[column.source].type.is_lob
    ]
