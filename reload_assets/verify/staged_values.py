"""``window_bounds``, ``keys`` and ``lob_limit``: what the staged rows themselves must bear out."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from reload_assets.canonical.oracle_types import LOB_TYPES
from reload_assets.postgres.statements import Part, run
from reload_assets.tables import ReloadColumn
from reload_assets.verify.context import Context, failed, first_problem, key_text, unverified
from reload_assets.verify.expectations import Expectation, Verdict, no_rows
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples

_TARGET_LOBS = ("text", "bytea", "xml", "json", "jsonb")
# DMS cuts these at 64 KB, whatever the task's limit.
_LONGS = ("LONG", "LONG RAW")
_LONG_LIMIT = 64 * 1024


class WindowBounds:
    """No staged row outside the half-open window that was loaded, and none without a value in the window column."""

    NAME = "window_bounds"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """That the statement finds no row."""
        return [no_rows(self.NAME, context.connection, "verify/outside_window", self._parts(context))]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """The outcome, with how many rows are where."""
        column = context.table.window.staged
        start, end = context.reload.loaded_window.in_zone(context.zone)
        window = f"[{start.isoformat(' ')}, {end.isoformat(' ')}) in {context.zone}"
        facts: dict[str, Fact] = {"window_start": start.isoformat(), "window_end": end.isoformat()}
        if failed(verdicts):
            found = run(context.connection, "verify/outside_window", self._parts(context)).fetchone()
            outside, without, earliest, latest = found or (0, 0, "", "")
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
        if problem := first_problem(verdicts):
            return unverified(self.NAME, context, problem)
        return CheckOutcome(self.NAME, "passed", True, f"{column} of {context.name} lies in {window}.", facts)

    @staticmethod
    def _parts(context: Context) -> dict[str, Part]:
        start, end = context.reload.loaded_window.in_zone(context.zone)
        bounds = {"window_start": sql.Literal(start), "window_end": sql.Literal(end)}
        return {**context.place, "window_column": context.table.window.staged, **bounds}


class Keys:
    """Keys are unique and whole, and no column that production declares NOT NULL holds a NULL."""

    NAME = "keys"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """Unique keys, and values in every column that needs one."""
        key = [column.staged for column in context.table.key]
        unique = (
            Expectation(self.NAME, "ExpectColumnValuesToBeUnique", {"column": key[0]})
            if len(key) == 1
            else Expectation(
                self.NAME, "ExpectCompoundColumnsToBeUnique", {"column_list": key, "ignore_row_if": "never"}
            )
        )
        return [
            unique,
            *(
                Expectation(self.NAME, "ExpectColumnValuesToNotBeNull", {"column": column.staged})
                for column in self._needed(context)
            ),
        ]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """The outcome, with keys and columns by name."""
        names = [column.staged for column in context.table.key]
        facts: dict[str, Fact] = {"duplicate_keys": 0, "duplicate_rows": 0, "null_values": 0}
        if failed(verdicts):
            found = [*self._duplicates(context, names, facts), *self._nulls(context, names, facts)]
            detail = (
                f"{context.name} has {'; '.join(found)}; fix those rows in the source, or {context.field}.key, then "
                "reload the window."
            )
            return CheckOutcome(self.NAME, "failed", True, detail, facts)
        if problem := first_problem(verdicts):
            return unverified(self.NAME, context, problem)
        detail = f"{', '.join(names)} of {context.name} is unique, and no column that needs a value is NULL."
        return CheckOutcome(self.NAME, "passed", True, detail, facts)

    @staticmethod
    def _needed(context: Context) -> list[ReloadColumn]:
        strict = {column.name for column in context.production_columns if column.not_null}
        return [column for column in context.table.columns if column.name in strict or column in context.table.key]

    @staticmethod
    def _duplicates(context: Context, names: list[str], facts: dict[str, Fact]) -> list[str]:
        key = sql.SQL(", ").join(map(sql.Identifier, names))
        parts = {**context.place, "key": key, "key_text": key_text(names)}
        row = run(context.connection, "verify/duplicate_keys", parts).fetchone()
        assert row is not None
        duplicates, rows, some = row
        facts |= {"duplicate_keys": duplicates, "duplicate_rows": rows}
        if not duplicates:
            return []
        return [f"{counted(duplicates, 'key')} in {counted(rows, 'row')} ({examples(some, names, duplicates)})"]

    def _nulls(self, context: Context, names: list[str], facts: dict[str, Fact]) -> list[str]:
        columns = self._needed(context)
        counts = sql.SQL(", ").join(
            sql.SQL("count(*) - count({})").format(sql.Identifier(column.staged)) for column in columns
        )
        row = run(context.connection, "verify/count_where", {**context.place, "counts": counts}).fetchone()
        assert row is not None
        found = []
        for column, nulls in zip(columns, row[0], strict=True):
            if not nulls:
                continue
            condition = sql.SQL("{} IS NULL").format(sql.Identifier(column.staged))
            parts = {**context.place, "key_text": key_text(names), "condition": condition}
            some = [key for (key,) in run(context.connection, "verify/example_keys", parts)]
            why = "which is part of the key" if column in context.table.key else "which production declares NOT NULL"
            found.append(
                f"{counted(nulls, 'row')} with a NULL in {column.staged}, {why} ({examples(some, names, nulls)})"
            )
            facts["null_values"] = int(facts["null_values"]) + nulls
        return found


class LobLimit:
    """No LOB reaches the limit at which DMS cuts LOBs, with nothing but a warning in its log."""

    NAME = "lob_limit"

    def expect(self, context: Context) -> Sequence[Expectation]:
        """That the statement finds no value, for each LOB column."""
        return [
            no_rows(self.NAME, context.connection, "verify/cut_lobs", self._parts(context, column, limit))
            for column, limit in _lobs(context)
        ]

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """The outcome, with the columns that were cut."""
        lobs = _lobs(context)
        limit_kb = context.lob_limit_kb
        facts: dict[str, Fact] = {"limit_kb": limit_kb, "lob_columns": len(lobs), "cut_values": 0}
        if failed(verdicts):
            found = []
            for column, limit in lobs:
                parts = self._parts(context, column, limit)
                if row := run(context.connection, "verify/cut_lobs", parts).fetchone():
                    found.append(f"{counted(row[0], 'value')} of {column.staged} at {limit // 1024:,} KB")
                    facts["cut_values"] = int(facts["cut_values"]) + row[0]
            detail = (
                f"{context.name} has {' and '.join(found)}, where DMS cuts LOBs; raise dms.task.lob_limit_kb "
                f"(now {limit_kb:,}) above the longest value, then reload the window."
            )
            return CheckOutcome(self.NAME, "failed", True, detail, facts)
        if problem := first_problem(verdicts):
            return unverified(self.NAME, context, problem)
        if not lobs:
            return CheckOutcome(self.NAME, "passed", True, f"{context.name} has no LOB columns.", facts)
        names = ", ".join(column.staged for column, _ in lobs)
        detail = f"No value of {names} of {context.name} reaches {limit_kb:,} KB, where DMS cuts LOBs."
        return CheckOutcome(self.NAME, "passed", True, detail, facts)

    @staticmethod
    def _parts(context: Context, column: ReloadColumn, limit: int) -> dict[str, Part]:
        name = sql.Identifier(column.staged)
        is_binary = column.target.type == "bytea"
        value = name if is_binary else sql.SQL("({}::text)").format(name)
        length = sql.SQL("octet_length({})" if is_binary else "char_length({})").format(value)
        return {**context.place, "value": value, "characters": length, "limit_bytes": sql.Literal(limit)}


def _lobs(context: Context) -> list[tuple[ReloadColumn, int]]:
    """The LOB columns, as the source declares them or else as production's types suggest, with their limits (bytes)."""
    limit = context.lob_limit_kb * 1024
    source = context.table.source_columns
    if source is None:
        return [(column, limit) for column in context.table.columns if column.target.type in _TARGET_LOBS]
    types = {column.name: column.base_type for column in source}
    return [
        (column, min(limit, _LONG_LIMIT) if types[column.source] in _LONGS else limit)
        for column in context.table.columns
        if types.get(column.source) in LOB_TYPES
    ]
