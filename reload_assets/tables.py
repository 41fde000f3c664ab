"""A group's tables as a reload sees them: the configuration, completed from both catalogs and checked against them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.column_pairs import ColumnPairs
from reload_assets.config.model import TableConfig
from reload_assets.config.table_names import TableName
from reload_assets.conversions.accepted import require_accepted
from reload_assets.conversions.pair import Pair
from reload_assets.errors.tables import (
    ColumnNotComparable,
    ColumnNotFound,
    ColumnUnmatched,
    ForeignKeysCircular,
    ForeignPartition,
    KeyCollation,
    KeyNotExact,
    KeyNotFilterable,
    KeyNotOfSource,
    KeyNotUnique,
    PublicationUnsuitable,
    ReplicaIdentityMissing,
    RewriteRules,
    RowSecurity,
    SoftDeleteColumn,
    TableNotFound,
    TargetNotTable,
    TargetShared,
)
from reload_assets.keys import filter_position, inexact
from reload_assets.postgres.catalog import CatalogTable, Column, ForeignKey, kind_of, read_table
from reload_assets.staged_columns import require_apart, staged_columns
from reload_assets.window_columns import require_window_column

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class ReloadColumn:
    """One column of a table: its name in the source, in staging (lower case), and in production."""

    source: str
    staged: str
    target: Column

    @property
    def name(self) -> str:
        """The name in production."""
        return self.target.name


@dataclass(frozen=True)
class ReloadTable:
    """One table of a group. ``columns`` are the source's, in the source's order, which is also staging's."""

    name: str
    source_schema: str
    source_table: str
    production: CatalogTable
    columns: tuple[ReloadColumn, ...]
    key: tuple[ReloadColumn, ...]
    window: ReloadColumn
    version: ReloadColumn
    options: TableConfig
    source_columns: tuple[SourceColumn, ...] | None
    """The source's own description of ``columns``; None without a source connection."""
    zone: str
    """The zone of the source's wall-clock values."""
    parent_groups: dict[str, str]
    """The groups that reload the tables to which its foreign keys refer, by production table."""
    loaded_anyway: tuple[SourceColumn, ...] = ()
    """The ignored columns that DMS loads all the same, as it applies no rule to their names."""
    limited_to: tuple[str, ...] | None = None
    """The names in production of the only columns that the reload compares and writes; None stands for whole rows."""

    @property
    def judged_columns(self) -> tuple[ReloadColumn, ...]:
        """The columns by whose content rows are compared: all, or the key and those that the reload is limited to."""
        if self.limited_to is None:
            return self.columns
        names = {*self.limited_to, *(column.name for column in self.key)}
        return tuple(column for column in self.columns if column.name in names)

    def pair(self, column: ReloadColumn) -> Pair | None:
        """Return a column of the source with its column of production; None where the source is not described."""
        for source in self.source_columns or ():
            if source.name == column.source:
                return Pair(source, column.target, self.zone)
        return None

    @property
    def pairs(self) -> list[tuple[ReloadColumn, Pair]]:
        """The columns with their pairs, in their order; none where the source is not described."""
        pairs = [(column, self.pair(column)) for column in self.columns]
        return [(column, pair) for column, pair in pairs if pair is not None]

    @property
    def filter_column(self) -> int | None:
        """The position in ``key`` of the column by which a DMS filter finds rows; None if there is no such column."""
        return filter_position([column.target for column in self.key])

    @property
    def source(self) -> str:
        """The source table's name with its schema, for messages."""
        return f"{self.source_schema}.{self.source_table}"

    @property
    def target(self) -> str:
        """The name of the production table with its schema, for messages."""
        return f"{self.production.schema}.{self.production.name}"

    @property
    def unfed(self) -> list[Column]:
        """The columns of production that no column of the source feeds, except the mark of deleted rows."""
        fed = {column.name for column in self.columns} | {self.options.soft_delete_column}
        return [column for column in self.production.columns if column.name not in fed and not column.generated]

    def parents(self, tables: Iterable[ReloadTable]) -> list[tuple[ForeignKey, ReloadTable]]:
        """Return this table's foreign keys that refer to the given tables, except those that refer to itself."""
        by_target = {table.target: table for table in tables if table.target != self.target}
        found = [(key, key.parent_in(by_target)) for key in self.production.every_foreign_key]
        return [(key, by_target[parent]) for key, parent in found if parent is not None]


@dataclass(frozen=True)
class GroupTables:
    """The tables of a group as the configuration has them, at ``place``.

    ``sources`` and ``targets`` are their names in the two databases. ``places`` maps the production tables of all
    groups to the places that name them: ``groups.sales.tables.orders``.
    """

    place: str
    tables: Mapping[str, TableConfig]
    sources: Mapping[str, TableName]
    targets: Mapping[str, TableName]
    zone: str
    places: Mapping[str, str]


def resolve_group(
    group: GroupTables,
    connection: Connection[Any],
    reader: SourceReader | None,
    only: Collection[str] | None = None,
) -> list[ReloadTable]:
    """Return the tables of a group (or ``only`` some of them), parents before children.

    Raises ConfigError for everything that does not fit production's or the source's catalog.
    """
    chosen = [name for name in group.tables if only is None or name in only]
    return parents_first(group.place, [_Resolver(group, name).resolve(connection, reader) for name in chosen])


def parents_first(place: str, tables: list[ReloadTable]) -> list[ReloadTable]:
    """Order tables by their foreign keys. Raises ConfigError, which names ``place``, if they form a circle."""
    by_name = {table.name: table for table in tables}
    order = TopologicalSorter(
        {
            # A deferrable foreign key is checked at the commit, so it does not need the parent first.
            table.name: [parent.name for key, parent in table.parents(tables) if not key.deferrable]
            for table in tables
        }
    )
    try:
        return [by_name[name] for name in order.static_order()]
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ForeignKeysCircular(place, circle) from None


class _Resolver:
    def __init__(self, group: GroupTables, name: str) -> None:
        self.name, self.options = name, group.tables[name]
        self.place = f"{group.place}.{name}"
        self.source, self.target, self.places = group.sources[name], group.targets[name], group.places
        self.zone = group.zone

    def resolve(self, connection: Connection[Any], reader: SourceReader | None) -> ReloadTable:
        """Complete the table's configuration from the catalogs, and check it. Raises ConfigError."""
        options = self.options
        try:
            self.production = read_table(connection, *self.target)
        except InsufficientPrivilege:
            # The schema itself is closed to this login.
            raise TableNotFound(f"{self.place}.target", self._target) from None
        if not self.production.columns:
            kind, behind = kind_of(connection, *self.target)
            if kind is not None:
                raise TargetNotTable(f"{self.place}.target", self._target, kind, behind)
            raise TableNotFound(f"{self.place}.target", self._target)
        if self.production.foreign_parts:
            raise ForeignPartition(f"{self.place}.target", self._target, self.production.foreign_parts)
        self._require_rows_of_its_own()
        self._require_plain_writes()
        reader = reader.of(self.source.schema) if reader else None
        described = reader.columns(self.source.name) if reader else None
        pairing = ColumnPairs(self.place, self.source, self.production, options)
        pairs = pairing.with_source(described) if described else pairing.by_production()
        require_apart(self.place, self.source, self.target, [(source, column.name) for source, column in pairs])
        staged = staged_columns(source for source, _ in pairs)
        columns = tuple(ReloadColumn(source, staged[source], column) for source, column in pairs)
        self.by_name = {column.name: column for column in columns}
        self.by_source = {column.source: column.name for column in columns}
        key = self._key()
        window = self._column("window_column", options.window_column)
        require_window_column(self.place, window, self._target, str(self.source), described)
        version = self._column("version_column" if options.version_column else "window_column", options.version)
        self._require_mark(described)
        pairing.require_fed([column.target for column in columns], options.soft_delete_column)
        pairing.require_writable([column.target for column in columns], [column.target for column in key])
        self._require_comparable(key, version)
        self._require_source_key(key, reader, window, version)
        self._require_exact_key(key, described)
        kept = {column.source for column in columns}
        table = ReloadTable(
            name=self.name,
            source_schema=self.source.schema,
            source_table=self.source.name,
            production=self.production,
            columns=columns,
            key=tuple(key),
            window=window,
            version=version,
            options=options,
            source_columns=tuple(column for column in described if column.name in kept) if described else None,
            zone=self.zone,
            parent_groups={
                key.parent: self.places[parent].split(".")[1]
                for key in self.production.foreign_keys
                if (parent := key.parent_in(self.places)) is not None
            },
            loaded_anyway=pairing.loaded_anyway(described or ()),
        )
        require_accepted(self.place, table)
        return table

    @property
    def _target(self) -> str:
        return str(self.target)

    def _column(self, field: str, name: str) -> ReloadColumn:
        if name not in self.production.column_names:
            raise ColumnNotFound(f"{self.place}.{field}", name, self._target, self.production.column_names)
        if name not in self.by_name:
            problem = f"{name!r} is a column of {self._target} only, and the source does not have it; name another"
            raise ColumnUnmatched(f"{self.place}.{field}", problem)
        return self.by_name[name]

    def _key(self) -> list[ReloadColumn]:
        names, place = self.options.key or self.production.primary_key, f"{self.place}.key"
        if not names:
            raise KeyNotUnique(place, f"{self._target} has no primary key; name the columns of a unique index here")
        key = [self._column("key", name) for name in names]
        if not self.production.has_arbiter(names):
            raise KeyNotUnique(place, self._why_not_unique(names))
        return key

    def _why_not_unique(self, names: Sequence[str]) -> str:
        columns = ", ".join(names)
        same = [found for found in self.production.unique_keys if sorted(found.columns) == sorted(names)]
        deferrable = ", ".join(found.name for found in same if found.deferrable)
        if deferrable and len(same) > 1:
            return (
                f"a unique constraint of {self._target} on ({columns}) is deferrable ({deferrable}), and PostgreSQL "
                "does not let the merge rely on another one beside it; drop it, or add it again without DEFERRABLE"
            )
        return (
            f"{self._target} has no unique index on ({columns}), which the merge needs; create it, or name the columns "
            "of one that is neither partial nor deferrable"
        )

    def _require_rows_of_its_own(self) -> None:
        for above in self.production.part_of:
            if above in self.places:
                raise TargetShared(f"{self.place}.target", self._target, above, self.places[above])

    def _require_plain_writes(self) -> None:
        """Refuse row security, which hides rows, rules, which rewrite statements, and publications that forbid them."""
        if self.production.hides_rows:
            raise RowSecurity(f"{self.place}.target", self._target)
        if rules := ", ".join(self.production.rules):
            raise RewriteRules(f"{self.place}.target", self._target, rules)
        if self.production.lacks_replica_identity:
            raise ReplicaIdentityMissing(f"{self.place}.target", self._target)
        if publications := ", ".join(self.production.unsuitable_publications):
            raise PublicationUnsuitable(f"{self.place}.target", self._target, publications)

    def _require_mark(self, described: Sequence[SourceColumn] | None) -> None:
        """Require that only production has the column that marks rows as deleted, and that a row can be unmarked."""
        name, place = self.options.soft_delete_column, f"{self.place}.soft_delete_column"
        if name is None:
            return
        names = self.production.column_names
        if name not in names:
            raise ColumnNotFound(place, name, self._target, names)
        column, what = self.production.column(name), f"{name!r} of {self._target}"
        if column.type != "boolean" and (not column.type.startswith("timestamp") or column.type.endswith("]")):
            raise SoftDeleteColumn(place, f"{what} is {column.type}; name a column of type boolean or timestamp")
        if column.generated:
            raise SoftDeleteColumn(place, f"{what} is generated, so that nothing can be written there; name another")
        if name in self.by_name:
            raise SoftDeleteColumn(
                place,
                f"{what} is loaded from the source, too; name a column that only production has, or keep the source's "
                f"out by {'ignored_source_columns' if described else 'columns'}",
            )
        if column.type != "boolean" and (column.not_null or column.has_default):
            why = "is NOT NULL" if column.not_null else "has a default"
            raise SoftDeleteColumn(
                place, f"{what} {why}, but a row that is not deleted has no such time; let it be NULL by default"
            )
        if column.not_null and not column.has_default:
            raise SoftDeleteColumn(
                place, f"{what} is NOT NULL without a default, so that no row can be inserted; give it a default"
            )

    def _require_source_key(
        self,
        key: Sequence[ReloadColumn],
        reader: SourceReader | None,
        window: ReloadColumn,
        version: ReloadColumn,
    ) -> None:
        """Require that the key is a key of the source; otherwise one row there could be two rows in production."""
        names, place = ", ".join(column.name for column in key), f"{self.place}.key"
        ours = {column.source for column in key}
        known = reader.unique_keys(self.source.name) if reader else []
        if ours in [set(columns) for columns in known]:
            return
        if known:
            columns = ", ".join(known[0])
            raise KeyNotOfSource(
                place,
                f"({names}) of {self._target} is not a key of {self.source}, whose key is "
                f"({columns}): {self._what_comes_of_it(ours, known)}",
            )
        if self.options.key is not None:
            return
        changing = [window.name, version.name, *self.production.partition_columns]
        if wrong := [column.name for column in key if column.name in changing and len(key) > 1]:
            raise KeyNotOfSource(
                place,
                f"whether ({names}) of {self._target} is a key of the source is not known, and {wrong[0]} may change "
                "there, which would give a row a second one in production; name the source's own key here if "
                "production has a unique index on it, or this one if no value of it ever changes",
            )
        if reader is not None:
            raise KeyNotOfSource(
                place,
                f"{self.source} has neither a primary key nor a unique index that holds for all "
                f"rows; create one there, or write [{names}] here if it is unique in the source",
            )

    def _what_comes_of_it(self, ours: set[str], known: Sequence[Sequence[str]]) -> str:
        unique = [{name.lower() for name in found.columns} for found in self.production.unique_keys]
        for columns in known:
            named = {name.lower() for name in columns}
            if named in unique:
                names = ", ".join(sorted(c.name for c in self.by_name.values() if c.source in columns))
                return f"write key: [{names}], on which {self._target} has a unique index"
        if narrower := next((columns for columns in known if ours.issuperset(columns)), None):
            more = ", ".join(sorted(self.by_source[name] for name in ours.difference(narrower)))
            return (
                f"a row whose {more} changes would be in production twice; give production a unique index on the "
                "source's key, which a partitioned table can have only if it is partitioned by columns of that key"
            )
        return "several of the source's rows may share one of production; give production a unique index on it"

    def _require_comparable(self, key: Sequence[ReloadColumn], version: ReloadColumn) -> None:
        """Require operators for what a merge compares by value; other columns it compares as texts."""
        compared = [(f"its key by {column.name}", column.name) for column in key]
        compared.append((f"versions by {version.name}", version.name))
        for index in self.production.unique_indexes:
            compared += [(f"values of {index.name}", name) for name in index.key_columns]
        for what, name in compared:
            column = self.production.column(name)
            if not (column.comparable or column.collatable):
                raise ColumnNotComparable(self.place, name, self._target, column.type, what)

    def _require_exact_key(self, key: Sequence[ReloadColumn], described: Sequence[SourceColumn] | None) -> None:
        by_name = {column.name: column for column in described or ()}
        for column in key:
            source = by_name.get(column.source)
            if source is not None and source.collation is not None:
                raise KeyCollation(f"{self.place}.key", f"{self.source}.{source.name}", source.declared)
            if source is not None and (why := inexact(source, column.target)):
                raise KeyNotExact(f"{self.place}.key", self._target, why)
        loaded = [by_name[column.source] for column in self.by_name.values()] if described else []
        unreadable = next((column for column in loaded if not column.is_readable), None)
        if (described is None or unreadable) and filter_position([column.target for column in key]) is None:
            types = ", ".join(f"{column.name} is {column.target.type}" for column in key)
            because = f"as {unreadable.name} is {unreadable.declared}" if unreadable else "without source.connection"
            fix = "" if unreadable else "configure source.connection, or "
            raise KeyNotFilterable(
                f"{self.place}.key",
                f"rows of {self._target} are read again by a DMS filter on their key {because}, and it finds none by a "
                f"key of such types ({types}); {fix}name a key with a column of a number or text type",
            )
