"""Composes the statements of one table's merge from the files in ``sql/merge``.

The delta numbers the staged columns (c1, c2 ...), so that the name of a user's column cannot collide with ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, Cursor, sql

from reload_assets.canonical.postgres import production_text
from reload_assets.keys import key_rule
from reload_assets.ledger.records import Bounds, Reload, StagedTable
from reload_assets.ledger.selected import is_selected
from reload_assets.merge.judge import (
    Named,
    assigned,
    differs,
    judgement,
    not_newer,
    outcome_without_production,
    written_columns,
)
from reload_assets.merge.pieces import MergePieces, ParentPieces, SequencePieces, UniquePieces
from reload_assets.postgres.catalog import ForeignKey, UniqueKey
from reload_assets.postgres.statements import Parts, run
from reload_assets.tables import ReloadColumn, ReloadTable


@dataclass(frozen=True)
class KeyRange:
    """A range of keys in their order, ``(after, upto]``. Keys are texts; None means no limit on that side."""

    after: Sequence[str] | None = None
    upto: Sequence[str] | None = None


EVERY_KEY = KeyRange()
_NUMERIC = ("smallint", "integer", "bigint", "numeric")

IS_OWN = sql.SQL(
    # xmin has 32 bits and wraps around. A row with a later number is visible only if its transaction has committed, or
    # is a sub-transaction of this one.
    """(SELECT CASE
        WHEN n.later >= 2147483648 THEN FALSE
        WHEN n.own + n.later >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN TRUE
        ELSE pg_xact_status((n.own + n.later)::text::xid8) = 'in progress' END
    FROM (
        SELECT t.own, ((p.xmin::text::bigint - t.own) % 4294967296 + 4294967296) % 4294967296 AS later
        FROM (SELECT pg_current_xact_id()::text::bigint AS own) AS t
    ) AS n)"""
)
"""Whether this very transaction, or a sub-transaction that a trigger opened in it, wrote a row of production."""


@dataclass(frozen=True)
class MergeStatements:
    """The statements that merge one table of a reload. ``position`` is the table's place in the order of the merge."""

    reload: Reload
    table: ReloadTable
    staged: StagedTable
    zone: ZoneInfo
    position: int
    keys: KeyRange = EVERY_KEY
    """The staged rows that one transaction merges: all of them, or a chunk."""
    only_late: bool = False
    """Whether ``delta`` is only the rows that somebody else wrote first."""

    def run(self, connection: Connection[Any], name: str, /, *parts: Parts, **values: Any) -> Cursor[Any]:
        """Execute the statement ``sql/merge/<name>`` with this table's pieces and values, and those given here."""
        return run(connection, f"merge/{name}", self.pieces, *parts, **self.values, **values)

    @property
    def values(self) -> dict[str, Any]:
        """The values about the table and its reload that statements bind."""
        return {
            "reload_id": self.reload.reload_id,
            "table_name": self.table.name,
            "schema": self.table.production.schema,
            "table": self.table.production.name,
            "staging_schema": self.staged.staging_schema,
            "staging_table": self.staged.staging_table,
        }

    @property
    def bounds(self) -> Bounds | None:
        """The bounds of the loaded window as wall-clock values of the source's zone; None if keys are selected."""
        return self.reload.bounds(self.zone)

    @property
    def delta(self) -> str:
        """The temporary table of the judged rows that are not identical to production's."""
        return self.late if self.only_late else f"reload_delta_{self.position}"

    @property
    def late(self) -> str:
        """The temporary table of the rows of the delta that somebody else wrote first."""
        return f"reload_late_{self.position}"

    @property
    def givers(self) -> str:
        """The temporary table of the rows that have to give up a unique value."""
        return f"reload_givers_{self.position}"

    @property
    def reread(self) -> str:
        """The temporary table of rows read again from the source while the merge runs."""
        return f"reload_reread_{self.position}"

    @cached_property
    def numbers(self) -> dict[str, str]:
        """The name of each column in the delta, by its name in production."""
        return {column.name: f"c{number}" for number, column in enumerate(self.table.columns, start=1)}

    def numbered(self, alias: str) -> Named:
        """Return how a statement names a column of a row ``alias`` whose columns are numbered."""
        return lambda column: sql.Identifier(alias, self.numbers[column.name])

    def in_delta(self, column: ReloadColumn) -> sql.Composable:
        """Return the column of a row of the delta."""
        return sql.Identifier("d", self.numbers[column.name])

    def staged_columns(self, names: Iterable[str]) -> list[ReloadColumn] | None:
        """Return the columns of these names in production, or None if some of them are not staged."""
        by_name = {column.name: column for column in self.table.columns}
        wanted = list(names)
        return [by_name[name] for name in wanted] if by_name.keys() >= set(wanted) else None

    @cached_property
    def pieces(self) -> MergePieces:
        """The names and pieces that every statement may use."""
        table, columns = self.table, self.table.columns
        key = [self.in_delta(column) for column in table.key]
        return MergePieces(
            schema=table.production.schema,
            table=table.production.name,
            staging_schema=self.staged.staging_schema,
            staging_table=self.staged.staging_table,
            delta=self.delta,
            late=self.late,
            givers=self.givers,
            reread=self.reread,
            columns=comma(sql.Identifier(column.name) for column in columns),
            key=comma(sql.Identifier(column.name) for column in table.key),
            s_is_selected=self.is_selected("s"),
            s_in_range=self._in_range(),
            s_key=comma(in_staging(column) for column in table.key),
            s_key_texts=texts(in_staging(column) for column in table.key),
            s_numbered=comma(_named(in_staging(column), self.numbers[column.name]) for column in columns),
            s_without_domains=without_domains(columns, self.numbers),
            s_named=comma(_named(in_staging(column), column.name) for column in columns),
            d_values=comma(self.in_delta(column) for column in columns),
            d_key=comma(key),
            d_key_texts=texts(key),
            d_canonical_key=self.canonical_key("d"),
            d_key_json=self.key_json(self.in_delta),
            d_changes_parent=differs(self._references(), self.in_delta, in_production),
            u_key_texts=texts(sql.Identifier("u", column.name) for column in table.key),
            p_key_json=self.key_json(in_production),
            p_key_numbered=comma(_named(in_production(column), self.numbers[column.name]) for column in table.key),
            p_is_d=self.same_key(in_production, self.in_delta),
            p_is_s=self.same_key(in_production, in_staging),
            p_is_there=sql.SQL("{} IS NOT NULL").format(in_production(table.key[0])),
            p_is_own=IS_OWN,
            p_is_not_newer=not_newer(table, self.in_delta, in_production),
            o_is_d=self.same_key(lambda column: sql.Identifier("o", column.name), self.in_delta),
            t_is_d=self.same_key(self.numbered("t"), self.in_delta),
            w_is_d=self.same_key(self.numbered("w"), self.in_delta),
            r_is_d=self.same_key(self.numbered("r"), self.in_delta),
            r_differs_from_d=differs(written_columns(table), self.numbered("r"), self.in_delta),
            judgement=judgement(table, self.in_delta, in_production),
            outcome_without_production=outcome_without_production(table),
            assignments=assigned(table, self.in_delta),
        )

    def unique_pieces(self, unique: UniqueKey) -> UniquePieces | None:
        """Return the pieces about one unique key; None if it has a column that is not staged."""
        columns = self.staged_columns(unique.columns)
        if columns is None:
            return None
        numbers = [self.numbers[column.name] for column in columns]
        # Under NULLS NOT DISTINCT a NULL is a value like any other.
        equal = sql.SQL("{} IS NOT DISTINCT FROM {}" if unique.nulls_equal else "{} = {}")
        return UniquePieces(
            d_unique_columns=comma(sql.Identifier("d", number) for number in numbers),
            d_unique_is_known=sql.SQL("true")
            if unique.nulls_equal
            else both(sql.SQL("{} IS NOT NULL").format(sql.Identifier("d", number)) for number in numbers),
            p_has_value_of_d=both(equal.format(in_production(column), self.in_delta(column)) for column in columns),
        )

    def parent_pieces(self, key: ForeignKey, parent: MergeStatements | None) -> ParentPieces | None:
        """Return the pieces about one foreign key and its parent's staging.

        None if it has a column that is not staged, or if the reload is limited to columns that are not the key's.
        """
        columns = self.staged_columns(key.columns)
        if columns is None or not (self.table.limited_to is None or {*key.columns} & {*self.table.limited_to}):
            return None
        staged = parent.staged_columns(key.parent_columns) if parent else None
        place = parent if parent and staged else self
        references = [f"f{number}" for number, _ in enumerate(columns, start=1)]
        missing = [sql.Identifier("m", reference) for reference in references]
        parents = [sql.Identifier("q", name) for name in key.parent_columns]
        return ParentPieces(
            parent_schema=key.parent_schema,
            parent_table=key.parent_table,
            parent_staging_schema=place.staged.staging_schema,
            parent_staging_table=place.staged.staging_table,
            q_is_selected=place.is_selected("q"),
            s_references=comma(
                _named(in_staging(column), reference) for column, reference in zip(columns, references, strict=True)
            ),
            s_has_references=both(sql.SQL("{} IS NOT NULL").format(in_staging(column)) for column in columns),
            d_has_references=both(sql.SQL("{} IS NOT NULL").format(self.in_delta(column)) for column in columns),
            q_is_parent_of_s=_equal(parents, [in_staging(column) for column in columns]),
            q_is_parent_of_d=_equal(parents, [self.in_delta(column) for column in columns]),
            q_is_staged_parent_of_d=_equal(
                [sql.Identifier("q", column.staged) for column in staged], [self.in_delta(column) for column in columns]
            )
            if staged
            else sql.SQL("false"),
            q_is_parent_of_m=_equal([sql.Identifier("q", column.staged) for column in staged], missing)
            if staged
            else sql.SQL("false"),
            m_reference_texts=texts(missing),
            d_reference_texts=texts(self.in_delta(column) for column in columns),
        )

    def sequences(self) -> list[tuple[str, SequencePieces]]:
        """Return the sequences that number the key of new rows, as the catalog spells them, each with its pieces."""
        if self.table.limited_to is not None:
            return []
        return [
            (name, SequencePieces(sql.SQL(name), column.staged))
            for column in self.table.key
            if (name := column.target.sequence) and column.target.type.startswith(_NUMERIC)
        ]

    def key_of(self, values: Iterable[str]) -> str:
        """Return a row's key as messages write it: ``(order_id, line_no)=(5, 1)``."""
        return pair([column.name for column in self.table.key], values)

    def _in_range(self) -> sql.Composable:
        """Return the SQL condition that a staged row lies in ``keys``."""
        staged = sql.SQL("({})").format(comma(in_staging(column) for column in self.table.key))
        limits = [
            sql.SQL("{} {} ({})").format(
                staged,
                sql.SQL(compares),
                comma(
                    sql.SQL("CAST({} AS {})").format(sql.Literal(value), sql.SQL(column.target.type))
                    for column, value in zip(self.table.key, limit, strict=True)
                ),
            )
            for compares, limit in ((">", self.keys.after), ("<=", self.keys.upto))
            if limit is not None
        ]
        return both(limits) if limits else sql.SQL("true")

    def key_json(self, named: Named) -> sql.Composable:
        """Return the key as JSON, as the audit holds it."""
        pairs = [item for column in self.table.key for item in (sql.Literal(column.name), named(column))]
        return sql.SQL("jsonb_build_object({})").format(comma(pairs))

    def canonical_key(self, alias: str) -> sql.Composable:
        """Return the key of a row ``alias`` with numbered columns as canonical text, as the source is asked for it."""
        described = {source.name: source for source in self.table.source_columns or ()}
        return comma(
            production_text(alias, self.numbers[column.name], key_rule(described.get(column.source), column.target))
            for column in self.table.key
        )

    def _references(self) -> list[ReloadColumn]:
        """Return the columns that refer to parents, of those that the merge compares."""
        names = {name for key in self.table.production.foreign_keys for name in key.columns}
        return [column for column in self.table.judged_columns if column.name in names]

    def is_selected(self, staged_row: str) -> sql.Composable:
        """Return the SQL condition that a staged row is one that the reload selects."""
        return is_selected(self.reload, self.table, self.zone, staged_row, staged=True)

    def same_key(self, left: Named, right: Named) -> sql.Composable:
        """Return the SQL condition that two rows have the same key."""
        return _equal([left(column) for column in self.table.key], [right(column) for column in self.table.key])


def merge_statements(
    reload: Reload, tables: Iterable[ReloadTable], staged: Mapping[str, StagedTable], zone: ZoneInfo
) -> list[MergeStatements]:
    """Return the statements of each table of a reload, in the order of the merge."""
    return [
        MergeStatements(reload, table, staged[table.name], zone, position)
        for position, table in enumerate(tables, start=1)
    ]


def pair(names: Iterable[str], values: Iterable[str]) -> str:
    """Write names and values as PostgreSQL does: ``(order_id, line_no)=(5, 1)``."""
    return f"({', '.join(names)})=({', '.join(values)})"


def in_production(column: ReloadColumn) -> sql.Composable:
    """Return the column of a production row."""
    return sql.Identifier("p", column.name)


def in_staging(column: ReloadColumn) -> sql.Composable:
    """Return the column of a staged row."""
    return sql.Identifier("s", column.staged)


def without_domains(columns: Iterable[ReloadColumn], names: Mapping[str, str]) -> sql.Composable:
    """Select staging's columns under ``names``. Domains become their base types, as a domain may not allow NULL."""
    return comma(_named(_without_domain(column), names[column.name]) for column in columns)


def _without_domain(column: ReloadColumn) -> sql.Composable:
    target = column.target
    if target.base_type in (target.type, "enum"):
        return in_staging(column)
    return sql.SQL("CAST({} AS {})").format(in_staging(column), sql.SQL(target.base_type))


def _named(value: sql.Composable, name: str) -> sql.Composable:
    return sql.SQL("{} AS {}").format(value, sql.Identifier(name))


def _equal(left: Sequence[sql.Composable], right: Sequence[sql.Composable]) -> sql.Composable:
    return both(sql.SQL("{} = {}").format(one, other) for one, other in zip(left, right, strict=True))


def comma(pieces: Iterable[sql.Composable]) -> sql.Composable:
    """Join pieces with commas."""
    return sql.SQL(", ").join(pieces)


def both(conditions: Iterable[sql.Composable]) -> sql.Composable:
    """Join conditions with AND."""
    return sql.SQL(" AND ").join(conditions)


def texts(values: Iterable[sql.Composable]) -> sql.Composable:
    """Return an array of the values as text."""
    return sql.SQL("ARRAY[{}]").format(comma(sql.SQL("{}::text").format(value) for value in values))
