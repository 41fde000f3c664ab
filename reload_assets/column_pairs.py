"""Pairs the columns of a source table with those of its production table, by the configuration and by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.config.columns import listed, source_names
from reload_assets.config.model import TableConfig
from reload_assets.config.table_names import TableName
from reload_assets.dms.patterns import transforms
from reload_assets.errors.tables import (
    ColumnAlwaysIdentity,
    ColumnNotFed,
    ColumnNotFound,
    ColumnNotOmittable,
    ColumnUnmatched,
)
from reload_assets.postgres.catalog import CatalogTable, Column


@dataclass(frozen=True)
class ColumnPairs:
    """The names and the configuration from which the columns of one table are paired. ``place`` is the table's."""

    place: str
    source: TableName
    production: CatalogTable
    options: TableConfig

    def with_source(self, described: Sequence[SourceColumn]) -> list[tuple[str, Column]]:
        """Return each loaded column of the source with its column of production, in the source's order.

        DMS writes in that order, so the staging table needs it. Raises ConfigError.
        """
        known = [column.name for column in described]
        for name in source_names(self.options.columns):
            self._named(name)
        ignored, written = self.options.ignored_source_columns, source_names(self.options.columns)
        for field, names in (("ignored_source_columns", ignored), ("columns", written.values())):
            for unknown in (name for name in names if name not in known):
                raise ColumnNotFound(f"{self.place}.{field}", unknown, str(self.source), known)
        return [(name, self._of_production(name)) for name in known if name not in ignored]

    def loaded_anyway(self, described: Sequence[SourceColumn]) -> tuple[SourceColumn, ...]:
        """Return the ignored columns that DMS loads all the same, because it applies no rule to their names."""
        ignored = [column for column in described if column.name in self.options.ignored_source_columns]
        return tuple(one for one in ignored if not transforms(one.name) and one.type.family is not None)

    def by_production(self) -> list[tuple[str, Column]]:
        """Return the columns of production with their presumed columns of the source. Raises ConfigError.

        Without a description of the source, a column that is not written has the same name there, in upper case.
        """
        for name in (name for name in self.options.ignored_source_columns if not transforms(name)):
            raise ColumnNotOmittable(f"{self.place}.ignored_source_columns", str(self.source), name)
        mark, written = self.options.soft_delete_column, source_names(self.options.columns)
        every = [column.name for column in self.production.columns if not column.generated and column.name != mark]
        for name in written:
            self._named(name)
        names = listed(self.options.columns) or every
        return [(written.get(name, name.upper()), self._named(name)) for name in names]

    def require_fed(self, fed: Sequence[Column], mark: str | None) -> None:
        """Require that rows can be inserted with values for these columns alone. Raises ConfigError.

        ``mark`` is the column that marks rows as deleted.
        """
        names = {column.name for column in fed} | {mark}
        for column in self.production.columns:
            if column.name not in names and column.not_null and not column.fills_itself:
                raise ColumnNotFed(f"{self.place}.columns", f"{self._target}.{column.name}", str(self.source))

    def require_writable(self, fed: Sequence[Column], key: Sequence[Column]) -> None:
        """Require that no column outside the key refuses values, as an identity that is always generated does.

        An insert can override it, an update cannot. Raises ConfigError.
        """
        for column in fed:
            if column.identity == "a" and column not in key:
                raise ColumnAlwaysIdentity(f"{self.place}.columns", self._target, column.name)

    @property
    def _target(self) -> str:
        return f"{self.production.schema}.{self.production.name}"

    def _named(self, name: str) -> Column:
        """Return a column of production that the configuration names."""
        known = [column.name for column in self.production.columns if not column.generated]
        if name not in self.production.column_names:
            raise ColumnNotFound(f"{self.place}.columns", name, self._target, known)
        if name not in known:
            problem = (
                f"{name!r} of {self._target} is generated, so that nothing can be written there; leave it out here"
            )
            raise ColumnUnmatched(f"{self.place}.columns", problem)
        return self.production.column(name)

    def _of_production(self, source_name: str) -> Column:
        """Return the column of production for one of the source: the written one, or that of the same name."""
        written = source_names(self.options.columns)
        if (name := next((name for name, source in written.items() if source == source_name), None)) is not None:
            return self._named(name)
        alike = [column for column in self.production.columns if column.name.lower() == source_name.lower()]
        found = [column for column in alike if column.name not in written]
        # A name in upper case was written without quotes, and CDC usually converts it to lower case.
        usual = source_name.lower() if source_name.isupper() else source_name
        exact = [column for column in found if column.name == usual]
        if (target := next((column for column in exact or found if not column.generated), None)) is not None:
            return target
        why = f"{self._target} has no column for {self.source}.{source_name}"
        if alike:
            name = alike[0].name
            taken = f"is loaded from {written[name]}" if name in written else "is generated"
            why += f", because its column {name!r} {taken}"
        raise ColumnUnmatched(
            f"{self.place}.ignored_source_columns",
            f"{why}; list it here, add a column to production, or, if it has another name there, write "
            f"columns: {{<column of production>: {source_name}}}",
        )
