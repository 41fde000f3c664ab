"""The pieces from which the statements of one table's confirm are composed; see ``sql/confirm``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg import Connection, Cursor, sql

from reload_assets.confirm.reread import Key, SourceRows, Wanted
from reload_assets.merge.judge import assigned, differs, newer, written_columns
from reload_assets.merge.pieces import MergePieces
from reload_assets.merge.side_effects import acts_on_update
from reload_assets.merge.statements import MergeStatements, both, comma, in_production, in_staging
from reload_assets.postgres.statements import Part, compose, run
from reload_assets.soft_delete import alive
from reload_assets.tables import ReloadColumn

CORRECTED = ("insert", "update", "delete", "soft_delete")
"""The verdicts that change production."""


@dataclass(frozen=True)
class ConfirmStatements:
    """One table under confirm. ``exact``: CDC's position is known, so that every difference can be corrected."""

    merge: MergeStatements
    exact: bool

    @property
    def keys(self) -> str:
        """The temporary table of the keys that are looked at."""
        return f"confirm_keys_{self.merge.position}"

    @property
    def rows(self) -> str:
        """The temporary table of the source's rows as they were read last."""
        return f"confirm_rows_{self.merge.position}"

    @property
    def again(self) -> str:
        """The temporary table of the source's rows as they are while CDC is stopped."""
        return f"confirm_again_{self.merge.position}"

    def run(
        self, connection: Connection[Any], name: str, parts: Mapping[str, Part] | None = None, /, **values: Any
    ) -> Cursor[Any]:
        """Execute ``sql/confirm/<name>.sql`` with this table's pieces and window, and with what is given besides."""
        return run(
            connection,
            f"confirm/{name}",
            {**self.parts, **(parts or {})},
            **{
                "start": self.merge.bounds[0],
                "end": self.merge.bounds[1],
                "reload_id": self.merge.reload.reload_id,
                "table_name": self.merge.table.name,
                **values,
            },
        )

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What every statement may name."""
        table = self.merge.table
        key = [sql.Identifier(self.merge.numbers[column.name]) for column in table.key]
        return {
            **_of_merge(self.merge.pieces),
            "keys": self.keys,
            "rows": self.rows,
            "again": self.again,
            "production_window": table.window.name,
            "key_columns": comma(
                sql.SQL("{} AS {}").format(in_staging(column), name)
                for column, name in zip(table.key, key, strict=True)
            ),
            "key_names": comma(key),
            "key_texts": self.merge.pieces.d_canonical_key,
            "key_types": comma(
                # The type is production's own spelling of it, from format_type.
                sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.target.type))
                for column in table.key
            ),
            "production_key": comma(in_production(column) for column in table.key),
            "has_key": both(sql.SQL("{} IS NOT NULL").format(in_production(column)) for column in table.key),
            "same_row": self._same_key("r"),
            "same_again": self._same_key("a"),
            "differs": differs(written_columns(table), self.in_row, in_production),
            "left_alone": self._left_alone(),
            "in_window": self._in_window(in_production(table.window)),
            "alive": alive(table),
            "orphan": self._orphan(),
            "insert": self._insert(),
            "row_values": comma(self.in_row(column) for column in table.columns),
            "row_assignments": assigned(table, self.in_row),
            "unequal": self._names_where(lambda column: _differs_noted(column, self.in_row, in_production)),
            "changed_since": self._names_where(lambda column: differs([column], _as_noted_before, in_production)),
            "patches": comma(self._patch(column) for column in written_columns(table)),
            "any_patch": sql.SQL(" OR ").join(
                [sql.SQL("false"), *(self._is_patched(column) for column in written_columns(table))]
            ),
        }

    def in_row(self, column: ReloadColumn) -> sql.Composable:
        """The column of a row of the source as it was read last."""
        return sql.Identifier("r", self.merge.numbers[column.name])

    def in_again(self, column: ReloadColumn) -> sql.Composable:
        """The column of a row of the source as it was read with CDC stopped."""
        return sql.Identifier("a", self.merge.numbers[column.name])

    def _names_where(self, condition: Callable[[ReloadColumn], sql.Composable]) -> sql.Composable:
        """An array of the names of those columns of which a condition holds, with NULL for the others."""
        named = (
            sql.SQL("CASE WHEN {} THEN {} END").format(condition(column), sql.Literal(column.name))
            for column in written_columns(self.merge.table)
        )
        return sql.SQL("CAST(ARRAY[{}] AS text [])").format(comma(named))

    def _is_patched(self, column: ReloadColumn) -> sql.Composable:
        """Whether a column is corrected by itself: never read equal, and not set by anybody since it was noted.

        Never one that rows of other tables would follow.
        """
        table = self.merge.table
        if any(column.name in reference.parent_columns for reference in acts_on_update(table, [column.name])):
            return sql.SQL("false")
        return sql.SQL("({} = any(d.unequal) AND NOT {})").format(
            sql.Literal(column.name), _differs_noted(column, _as_noted, in_production)
        )

    def _patch(self, column: ReloadColumn) -> sql.Composable:
        return sql.SQL("{} = CASE WHEN {} THEN {} ELSE {} END").format(
            sql.Identifier(column.name), self._is_patched(column), self.in_row(column), in_production(column)
        )

    def _same_key(self, alias: str) -> sql.Composable:
        return both(
            sql.SQL("{} = {}").format(
                sql.Identifier(alias, self.merge.numbers[column.name]), self.merge.in_delta(column)
            )
            for column in self.merge.table.key
        )

    def same_child_key(self) -> sql.Composable:
        """Whether a referring row ``c`` of this very table is the row of a key ``s``."""
        return both(
            sql.SQL("{} = {}").format(
                sql.Identifier("s", self.merge.numbers[column.name]), sql.Identifier("c", column.name)
            )
            for column in self.merge.table.key
        )

    def _in_window(self, value: sql.Composable) -> sql.Composable:
        start, end = (sql.Literal(bound) for bound in self.merge.bounds)
        return sql.SQL("({0} >= {1} AND {0} < {2}) IS TRUE").format(value, start, end)

    def _left_alone(self) -> sql.Composable:
        """When a row that this reload did not write stays as it is although it differs."""
        table = self.merge.table
        if not self.exact:
            return sql.SQL("true")
        moments = {table.version.name, table.window.name}
        rest = [column for column in written_columns(table) if column.name not in moments]
        in_window = (in_production(table.window), self.in_row(table.window))
        reasons = [
            # Touched by a trigger of production: newer for ever, and otherwise equal.
            sql.SQL("({} AND NOT {} AND {})").format(
                newer(table, in_production, self.in_row), differs(rest, self.in_row, in_production), alive(table)
            ),
            sql.SQL("NOT (d.anywhere OR {} OR {})").format(*(self._in_window(value) for value in in_window)),
        ]
        # Policies that leave differences alone are about rows that are there: a marked row is not.
        versions = {"ours": in_production(table.version), "theirs": self.in_row(table.version), "alive": alive(table)}
        if table.options.equal_version == "skip":
            reasons.append(sql.SQL("({ours} = {theirs} AND {alive})").format(**versions))
        if table.options.null_version == "report":
            reasons.append(sql.SQL("(({ours} IS NULL OR {theirs} IS NULL) AND {alive})").format(**versions))
        return sql.SQL("coalesce({}, false)").format(sql.SQL(" OR ").join(reasons))

    def soft_delete_parts(self) -> dict[str, Part]:
        """The column that marks a row as deleted, and the mark."""
        name = self.merge.table.options.soft_delete_column or ""
        is_flag = self.merge.table.production.column(name).type == "boolean"
        return {"column": name, "mark": sql.SQL("true" if is_flag else "clock_timestamp()")}

    def _orphan(self) -> sql.Composable:
        """The verdict on a row that the source no longer has and that this reload did not bring back."""
        policy = self.merge.table.options.orphans
        verdict = sql.Literal("orphan" if policy == "report" else policy)
        return sql.SQL("CASE WHEN (d.anywhere AND NOT d.meanwhile) OR p.in_window THEN {} ELSE 'left' END").format(
            verdict
        )

    def _insert(self) -> sql.Composable:
        """The verdict on a row of the source that production lacks."""
        if not self.exact:
            return sql.SQL("'left'")
        window = self._in_window(self.in_row(self.merge.table.window))
        return sql.SQL("CASE WHEN d.anywhere OR {} THEN 'insert' ELSE 'left' END").format(window)


def _of_merge(pieces: MergePieces) -> dict[str, Part]:
    return {
        "schema": pieces.schema,
        "table": pieces.table,
        "staging_schema": pieces.staging_schema,
        "staging_table": pieces.staging_table,
        "window_column": pieces.window_column,
        "delta": pieces.delta,
        "columns": pieces.columns,
        "key": pieces.key,
        "numbered": pieces.s_numbered,
        "row_columns": pieces.s_without_domains,
        "delta_key": pieces.d_key,
        "delta_key_texts": pieces.d_key_texts,
        "key_json": pieces.d_key_json,
        "written_key_json": pieces.p_key_json,
        "returned_key": pieces.p_key_numbered,
        "same_returned": pieces.t_is_d,
        "same_late": pieces.t_is_d,
        "same_key": pieces.p_is_d,
        "same_staged_key": pieces.p_is_s,
        "is_own": pieces.p_is_own,
        "judgement": pieces.judgement,
    }


def _differs_noted(
    column: ReloadColumn,
    left: Callable[[ReloadColumn], sql.Composable],
    right: Callable[[ReloadColumn], sql.Composable],
) -> sql.Composable:
    """Whether a column differs, where one side was noted: as jsonb, which does not keep the blanks of json."""
    if column.target.base_type == "json":
        return sql.SQL("{}::jsonb IS DISTINCT FROM {}::jsonb").format(left(column), right(column))
    return differs([column], left, right)


def _as_noted(column: ReloadColumn) -> sql.Composable:
    """The column of a production row as it was noted before the source was read."""
    return sql.Identifier("n", column.name)


def _as_noted_before(column: ReloadColumn) -> sql.Composable:
    """The column of a production row as it was noted the time before."""
    return sql.Identifier("b", column.name)


@dataclass(frozen=True)
class Reading:
    """Which keys of a plan are read again, and the temporary table ``rows`` for them.

    ``chosen`` is a condition on a key; ``keys`` the temporary table that holds them under their numbers.
    """

    plan: ConfirmStatements
    keys: str
    chosen: sql.Composable
    rows: str


def read_again(connection: Connection[Any], source: SourceRows, readings: Sequence[Reading]) -> None:
    """Fill the temporary tables of the readings with the rows that the source has now, all of them together."""
    for reading in readings:
        reading.plan.run(connection, "empty_table", {"table": reading.rows})
    # A transaction for the cursors, which give out the keys while the rows come in.
    with connection.transaction():
        source.fill(
            connection,
            [
                Wanted(reading.plan.merge.table, reading.rows, _batches(connection, source.batch, reading))
                for reading in readings
            ],
        )
    for reading in readings:
        reading.plan.run(connection, "analyze_table", {"table": reading.rows})


def _batches(connection: Connection[Any], size: int, reading: Reading) -> Iterator[Sequence[Key]]:
    parts = {**reading.plan.parts, "keys": reading.keys, "chosen": reading.chosen}
    with connection.cursor(name=f"{reading.rows}_keys") as cursor:
        cursor.execute(compose("confirm/list_open_keys", parts))
        while batch := cursor.fetchmany(size):
            yield batch
