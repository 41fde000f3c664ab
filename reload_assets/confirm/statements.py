"""Composes the statements of one table's confirm from the files in ``sql/confirm``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from psycopg import Connection, Cursor, sql

from reload_assets.confirm.pieces import ConfirmPieces, HolderPieces, MarkPieces, WantedPieces
from reload_assets.confirm.reread import Key, SourceRows, Wanted
from reload_assets.confirm.verdicts import CORRECTED, FINISHED, GONE, LOCKED, WRITTEN, Verdict, listed
from reload_assets.ledger.selected import is_selected, selected_keys, selected_values
from reload_assets.merge.holders import can_let_go, holds_value, indexed
from reload_assets.merge.judge import Named, assigned, differs, newer, written_columns
from reload_assets.merge.side_effects import acts_on_update
from reload_assets.merge.statements import MergeStatements, both, comma, in_production, in_staging, texts
from reload_assets.postgres.catalog import UniqueIndex
from reload_assets.postgres.session import analyze, truncate
from reload_assets.postgres.statements import Parts, compose, run
from reload_assets.soft_delete import alive, marked
from reload_assets.tables import ReloadColumn

_BY_POLICY = {"report": Verdict.ORPHAN, "delete": Verdict.DELETE, "soft_delete": Verdict.SOFT_DELETE}


@dataclass(frozen=True)
class ConfirmStatements:
    """The statements that confirm one table.

    ``exact``: CDC's position is known, so every difference can be corrected.
    """

    merge: MergeStatements
    exact: bool

    @property
    def keys(self) -> str:
        """The temporary table of the keys that are confirmed."""
        return f"confirm_keys_{self.merge.position}"

    @property
    def rows(self) -> str:
        """The temporary table of the source's rows as the pass reads them."""
        return f"confirm_rows_{self.merge.position}"

    @property
    def again(self) -> str:
        """The temporary table of the source's rows as they are read again."""
        return f"confirm_again_{self.merge.position}"

    def run(self, connection: Connection[Any], name: str, /, *more: Parts, **values: Any) -> Cursor[Any]:
        """Execute ``sql/confirm/<file>:<section>`` with this table's pieces and window, and those given here."""
        return run(
            connection,
            f"confirm/{name}",
            self.pieces,
            *more,
            **{
                "reload_id": self.merge.reload.reload_id,
                "table_name": self.merge.table.name,
                **values,
            },
        )

    def create_rows(self, connection: Connection[Any], rows: str) -> None:
        """Create a temporary table for rows of the source."""
        run(connection, "confirm/1_keys:create_rows", replace(self.pieces, source_rows=rows))

    @cached_property
    def pieces(self) -> ConfirmPieces:
        """The names and pieces that every statement may use."""
        merge, table, of_merge = self.merge, self.merge.table, self.merge.pieces
        return ConfirmPieces(
            schema=of_merge.schema,
            table=of_merge.table,
            production_window_column=table.window.name,
            staging_schema=of_merge.staging_schema,
            staging_table=of_merge.staging_table,
            keys=self.keys,
            source_rows=self.rows,
            again=self.again,
            delta=of_merge.delta,
            columns=of_merge.columns,
            key=of_merge.key,
            key_types=comma(
                # The type comes from PostgreSQL's format_type, so it is safe to paste in.
                sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.target.type))
                for column in table.key
            ),
            key_numbers=comma(sql.Identifier(merge.numbers[column.name]) for column in table.key),
            s_without_domains=of_merge.s_without_domains,
            s_numbered=of_merge.s_numbered,
            s_key_numbered=comma(
                sql.SQL("{} AS {}").format(in_staging(column), sql.Identifier(merge.numbers[column.name]))
                for column in table.key
            ),
            p_key=comma(in_production(column) for column in table.key),
            p_key_numbered=of_merge.p_key_numbered,
            p_key_json=of_merge.p_key_json,
            d_key=of_merge.d_key,
            k_key=comma(self.in_key(column) for column in table.key),
            k_canonical_key=merge.canonical_key("k"),
            k_key_texts=texts(self.in_key(column) for column in table.key),
            k_key_json=merge.key_json(self.in_key),
            r_values=comma(self.in_row(column) for column in table.columns),
            r_assignments=assigned(table, self.in_row),
            patch_assignments=comma(self._patch(column) for column in written_columns(table)),
            p_is_s=of_merge.p_is_s,
            p_is_d=of_merge.p_is_d,
            p_is_k=merge.same_key(in_production, self.in_key),
            d_is_k=merge.same_key(merge.in_delta, self.in_key),
            r_is_k=merge.same_key(self.in_row, self.in_key),
            a_is_k=merge.same_key(self.in_again, self.in_key),
            i_is_k=merge.same_key(merge.numbered("i"), self.in_key),
            written_is_k=merge.same_key(merge.numbered("written"), self.in_key),
            p_has_key=both(sql.SQL("{} IS NOT NULL").format(in_production(column)) for column in table.key),
            p_is_alive=alive(table),
            p_is_selected=is_selected(merge.reload, table, merge.zone, "p"),
            p_is_in_window=self._is_in_window(in_production(table.window)),
            p_is_own=of_merge.p_is_own,
            p_is_left_alone=self._is_left_alone(),
            p_is_patched=sql.SQL(" OR ").join(
                [sql.SQL("false"), *(self._is_patched(column) for column in written_columns(table))]
            ),
            p_differs_from_r=differs(written_columns(table), self.in_row, in_production),
            n_is_alive=alive(table, "n"),
            n_differs_from_r=self._names_where(lambda column: _differs_noted(column, self.in_row, _as_noted)),
            n_differs_from_b=self._names_where(lambda column: differs([column], _as_noted_before, _as_noted)),
            s_is_selected=of_merge.s_is_selected,
            selected_keys=selected_keys(merge.reload, table),
            p_is_listed=both(
                sql.SQL("{} = {}").format(in_production(column), value)
                for column, value in zip(table.key, selected_values(table), strict=True)
            ),
            judgement=of_merge.judgement,
            verdict_without_source=self._verdict_without_source(),
            verdict_without_production=self._verdict_without_production(),
            verdict_if_unfit=self._verdict_if_unfit(),
            corrected=listed(CORRECTED),
            written=listed(WRITTEN),
            locked=listed(LOCKED),
            gone=listed(GONE),
            finished=listed(FINISHED),
        )

    @property
    def in_key(self) -> Named:
        """How a statement names a column of a key."""
        return self.merge.numbered("k")

    @property
    def in_row(self) -> Named:
        """How a statement names a column of a source row as the pass read it."""
        return self.merge.numbered("r")

    @property
    def in_again(self) -> Named:
        """How a statement names a column of a source row as it was read again."""
        return self.merge.numbered("a")

    def is_own_child(self, alias: str) -> sql.Composable:
        """Return the SQL condition that a referring row ``c`` of this very table is the row of the key ``alias``."""
        return self.merge.same_key(self.merge.numbered(alias), lambda column: sql.Identifier("c", column.name))

    def holder_pieces(self, index: UniqueIndex) -> HolderPieces:
        """Return the pieces by which a confirm finds the holders of a unique index's values."""
        merge, in_holder = self.merge, self.merge.numbered("h")
        return HolderPieces(
            r_indexed=indexed(merge.table, index, self.in_row),
            p_holds_value_of_w=holds_value(index),
            p_can_let_go=can_let_go(merge.table, index),
            h_is_k=merge.same_key(in_holder, self.in_key),
            h_is_o=merge.same_key(in_holder, merge.numbered("o")),
            h_key=comma(in_holder(column) for column in merge.table.key),
            h_key_texts=texts(in_holder(column) for column in merge.table.key),
        )

    def mark_pieces(self) -> MarkPieces:
        """Return the column that marks a row as deleted, and the mark."""
        name = self.merge.table.options.soft_delete_column or ""
        is_flag = self.merge.table.production.column(name).type == "boolean"
        return MarkPieces(mark_column=name, mark=sql.SQL("true" if is_flag else "clock_timestamp()"))

    def _numbered(self, columns: Sequence[ReloadColumn], named: Named) -> sql.Composable:
        return comma(
            sql.SQL("{} AS {}").format(named(column), sql.Identifier(self.merge.numbers[column.name]))
            for column in columns
        )

    def _names_where(self, condition: Callable[[ReloadColumn], sql.Composable]) -> sql.Composable:
        """Return an array with the names of the columns that meet a condition, and NULL for the others."""
        named = (
            sql.SQL("CASE WHEN {} THEN {} END").format(condition(column), sql.Literal(column.name))
            for column in written_columns(self.merge.table)
        )
        return sql.SQL("CAST(ARRAY[{}] AS text [])").format(comma(named))

    def _is_patched(self, column: ReloadColumn) -> sql.Composable:
        """Return whether a column is patched: it was never read equal, and nobody has set it since it was noted.

        A column that rows of other tables would follow is never patched.
        """
        table = self.merge.table
        if any(column.name in reference.parent_columns for reference in acts_on_update(table, [column.name])):
            return sql.SQL("false")
        return sql.SQL("({} = any(k.unequal_columns) AND NOT {})").format(
            sql.Literal(column.name), _differs_noted(column, _as_noted, in_production)
        )

    def _patch(self, column: ReloadColumn) -> sql.Composable:
        return sql.SQL("{} = CASE WHEN {} THEN {} ELSE {} END").format(
            sql.Identifier(column.name), self._is_patched(column), self.in_row(column), in_production(column)
        )

    def _is_in_window(self, value: sql.Composable) -> sql.Composable:
        if self.merge.bounds is None:
            # Selected keys are confirmed in any window, and others in none.
            return sql.SQL("false")
        start, end = (sql.Literal(bound) for bound in self.merge.bounds)
        return sql.SQL("({0} >= {1} AND {0} < {2}) IS TRUE").format(value, start, end)

    def _is_left_alone(self) -> sql.Composable:
        """Return whether a row that differs stays as it is.

        A row that this reload wrote does not. But where only columns are repaired, no marked row is written.
        """
        left = sql.SQL("(NOT k.is_ours AND {})").format(self._is_left_by_policy())
        if self.merge.table.limited_to is None:
            return left
        return sql.SQL("({} OR {})").format(left, marked(self.merge.table))

    def _is_left_by_policy(self) -> sql.Composable:
        table = self.merge.table
        if not self.exact:
            return sql.SQL("(NOT k.takes_value)")
        moments = {table.version.name, table.window.name}
        rest = [column for column in written_columns(table) if column.name not in moments]
        in_window = (in_production(table.window), self.in_row(table.window))
        reasons = [
            # A trigger of production sets the version: such a row stays newer for ever, and is otherwise equal.
            sql.SQL("({} AND NOT {} AND {})").format(
                newer(table, in_production, self.in_row), differs(rest, self.in_row, in_production), alive(table)
            ),
            sql.SQL("NOT (k.in_any_window OR {} OR {})").format(*(self._is_in_window(value) for value in in_window)),
        ]
        # Policies that leave differences alone do not apply to a marked row, which counts as deleted.
        versions = {"ours": in_production(table.version), "theirs": self.in_row(table.version), "alive": alive(table)}
        if table.options.equal_version == "skip":
            reasons.append(sql.SQL("({ours} = {theirs} AND {alive})").format(**versions))
        if table.options.null_version == "report":
            reasons.append(sql.SQL("(({ours} IS NULL OR {theirs} IS NULL) AND {alive})").format(**versions))
        return sql.SQL("coalesce({}, false)").format(sql.SQL(" OR ").join(reasons))

    def _verdict_without_source(self) -> sql.Composable:
        """Return the verdict on a row that the source no longer has. One that this reload brought back goes again."""
        if self.merge.table.limited_to is not None:
            return sql.Literal(Verdict.LEFT.value)
        verdict = _BY_POLICY[self.merge.table.options.orphans]
        return sql.SQL(
            "CASE WHEN k.is_brought_back THEN {}"
            " WHEN (k.in_any_window AND NOT k.found_by_comparison) OR k.holds_value OR p.is_in_window THEN {}"
            " ELSE {} END"
        ).format(*(sql.Literal(one.value) for one in (Verdict.DELETE, verdict, Verdict.LEFT)))

    def _verdict_without_production(self) -> sql.Composable:
        """Return the verdict on a row of the source that production lacks."""
        left = sql.Literal(Verdict.LEFT.value)
        if self.merge.table.limited_to is not None:
            return left
        if not self.exact:
            # The merge would have inserted the row, had it not been withheld.
            return sql.SQL("CASE WHEN k.is_staged AND NOT k.is_ours THEN {} ELSE {} END").format(
                sql.Literal(Verdict.INSERT.value), left
            )
        return sql.SQL("CASE WHEN k.in_any_window OR {} THEN {} ELSE {} END").format(
            self._is_in_window(self.in_row(self.merge.table.window)), sql.Literal(Verdict.INSERT.value), left
        )

    def _verdict_if_unfit(self) -> sql.Composable:
        """Return the verdict on a row of the source that production's types cannot hold."""
        if self.merge.table.limited_to is None:
            return sql.SQL("CASE WHEN p.production_xmin IS NULL THEN 'insert' ELSE 'update' END")
        return sql.SQL("CASE WHEN p.is_alive THEN 'update' ELSE 'left' END")


def _differs_noted(column: ReloadColumn, left: Named, right: Named) -> sql.Composable:
    """Return whether a column differs from what was noted. Notes are jsonb, which does not keep the blanks of json."""
    if column.target.base_type == "json":
        return sql.SQL("{}::jsonb IS DISTINCT FROM {}::jsonb").format(left(column), right(column))
    return differs([column], left, right)


def _as_noted(column: ReloadColumn) -> sql.Composable:
    """Return the column of a production row as it was noted before the source was read."""
    return sql.Identifier("n", column.name)


def _as_noted_before(column: ReloadColumn) -> sql.Composable:
    """Return the column of a production row as the previous pass noted it."""
    return sql.Identifier("b", column.name)


@dataclass(frozen=True)
class Reading:
    """Which keys of a table to read, and the temporary table ``rows`` for the source's rows.

    ``wanted`` is the temporary table that holds the keys under their numbers. ``chosen`` is a condition on such a key,
    which it names ``k``.
    """

    statements: ConfirmStatements
    wanted: str
    chosen: sql.Composable
    rows: str


def read_again(connection: Connection[Any], source: SourceRows, readings: Sequence[Reading]) -> None:
    """Fill the temporary tables of all readings with the rows that the source has now."""
    for reading in readings:
        truncate(connection, None, reading.rows)
    # The cursors hand out keys while rows come in, and live only as long as a transaction.
    with connection.transaction():
        source.fill(
            connection,
            [
                Wanted(reading.statements.merge.table, reading.rows, _batches(connection, source.batch, reading))
                for reading in readings
            ],
        )
    for reading in readings:
        analyze(connection, None, reading.rows)


def _batches(connection: Connection[Any], size: int, reading: Reading) -> Iterator[Sequence[Key]]:
    wanted = WantedPieces(wanted=reading.wanted, k_is_wanted=reading.chosen)
    with connection.cursor(name=f"{reading.rows}_keys") as cursor:
        cursor.execute(compose("confirm/2_pass:list_keys", reading.statements.pieces, wanted))
        while batch := cursor.fetchmany(size):
            yield batch
