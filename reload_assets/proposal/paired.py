"""A table of the source with its counterpart in production, as both catalogs describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.column_pairs import ColumnPairs
from reload_assets.config.model import TableConfig
from reload_assets.config.table_names import TableName
from reload_assets.conversions.pair import Pair
from reload_assets.errors.tables import ColumnUnmatched
from reload_assets.postgres.catalog import CatalogTable, Column

# Names only: neither window nor key matters for the pairs of columns.
_BY_NAME = TableConfig(window_column="any")


@dataclass(frozen=True)
class Described:
    """A table on both sides. ``names``: the source's columns as CDC names them, None for one that it leaves out.

    ``source_keys``, ``source_indexed`` and ``indexed``: the unique keys of the source, and the columns with which an
    index begins in the source and in production. ``zone`` is that of the source's times.
    """

    source: TableName
    columns: Sequence[SourceColumn]
    source_keys: Sequence[Sequence[str]]
    source_indexed: frozenset[str]
    production: CatalogTable
    indexed: frozenset[str]
    zone: str = "UTC"
    names: Mapping[str, str | None] | None = None

    @property
    def target(self) -> TableName:
        """The production table's name."""
        return TableName(self.production.schema, self.production.name)


@dataclass(frozen=True)
class Columns:
    """What becomes of the source's columns.

    ``renamed``: those in ``pairs`` that have another name in production. ``ignored`` cannot be loaded, each with why.
    ``undecided`` may be loaded into a column of production that has another name, which is given.
    """

    pairs: Sequence[Pair]
    renamed: Mapping[str, str]
    ignored: Mapping[str, str]
    undecided: Mapping[str, str]

    def fed_by(self, source: str) -> Pair | None:
        """Return the pair of a column of the source; None if there is none."""
        return next((pair for pair in self.pairs if pair.source.name == source), None)

    def feeding(self, name: str) -> Pair | None:
        """Return the pair of a column of production; None if nothing feeds it."""
        return next((pair for pair in self.pairs if pair.target.name == name), None)


def pair_columns(table: Described) -> Columns:
    """Pair the columns by the names that CDC gives them, or else by their own. Nothing is raised."""
    pairs: list[Pair] = []
    renamed: dict[str, str] = {}
    ignored: dict[str, str] = {}
    left: list[SourceColumn] = []
    by_name = ColumnPairs("", table.source, table.production, _BY_NAME)
    for column in table.columns:
        given = None if table.names is None else table.names.get(column.name)
        if column.type.family is None:
            ignored[column.name] = f"DMS does not carry {column.base_type}"
        elif table.names is not None and given is None:
            ignored[column.name] = "the CDC task leaves it out"
        elif given is not None and given.lower() != column.name.lower() and _has(table.production, given):
            pairs.append(Pair(column, table.production.column(given), table.zone))
            renamed[given] = column.name
        else:
            try:
                ((_, target),) = by_name.with_source([column])
            except ColumnUnmatched:
                left.append(column)
            else:
                pairs.append(Pair(column, target, table.zone))
    unfed = _unfed(table.production, pairs)
    undecided = _alike(left, unfed, table.zone)
    for column in left:
        if column.name not in undecided:
            ignored[column.name] = "production has no column for it"
    return Columns(pairs, renamed, ignored, undecided)


def _has(production: CatalogTable, name: str) -> bool:
    return any(column.name == name and not column.generated for column in production.columns)


def _unfed(production: CatalogTable, pairs: Sequence[Pair]) -> list[Column]:
    fed = {pair.target.name for pair in pairs}
    return [column for column in production.columns if column.name not in fed and not column.generated]


def _alike(left: Sequence[SourceColumn], unfed: Sequence[Column], zone: str) -> dict[str, str]:
    """Return, for columns of the source, one of production that nothing feeds and whose type takes the values.

    The names that are most similar come first, and each column of production is given once.
    """
    possible = sorted(
        (
            (-SequenceMatcher(None, source.name.lower(), target.name.lower()).ratio(), source.name, target.name)
            for source in left
            for target in unfed
            if Pair(source, target, zone).conversion.loss is None
        ),
    )
    found: dict[str, str] = {}
    for _, source, target in possible:
        if source not in found and target not in found.values():
            found[source] = target
    return found
