"""The table mapping of a reload, which says which rows DMS loads, and into which staging tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reload_assets.dms.patterns import escaped, is_exact, matches
from reload_assets.errors.dms import MappingImpossible
from reload_assets.errors.windows import WindowOutOfRange, WindowReversed, WindowWithWrongZone

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class TableLoad:
    """One source table, its window column, and the staging table of this reload.

    Names are written as each side's dictionary has them (Oracle: UPPERCASE). ``ignored_columns`` of the source are not
    loaded, because the staging table lacks them; ``renamed_columns`` are those that it has under a name which is not
    the source's in lower case.
    """

    source_schema: str
    source_table: str
    window_column: str
    staging_schema: str
    staging_table: str
    ignored_columns: tuple[str, ...] = ()
    renamed_columns: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> tuple[str, str]:
        """The source table's schema and name."""
        return self.source_schema, self.source_table


def literal_bounds(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return the bounds as a DMS filter can express them, widened to whole seconds.

    Both are wall-clock values of the source's zone. DMS documents date literals without fractions and has no strict
    ``lt``, so the load may take rows of up to a second too many on either side; they are trimmed after the load. Equal
    bounds are allowed, because twice a year a window has no wall-clock value. Raises WindowError for instants with a
    zone, for an end before the start, and for one in the last second of year 9999.
    """
    for bound in (start, end):
        if bound.tzinfo is not None:
            raise WindowWithWrongZone(bound.isoformat(), "wall-clock time of the source, without a zone")
    if end < start:
        raise WindowReversed(start.isoformat(" "), end.isoformat(" "))
    floor, ceiling = start.replace(microsecond=0), end.replace(microsecond=0)
    try:
        return floor, ceiling + _SECOND if end.microsecond else ceiling
    except OverflowError:
        raise WindowOutOfRange(f"{start.isoformat(' ')} to {end.isoformat(' ')}", "the filter of DMS ends") from None


def table_mappings(tables: Sequence[TableLoad], start: datetime, end: datetime) -> dict[str, Any]:
    """Return the mapping that loads ``[start, end)`` of the tables, in wall-clock time of the source's zone.

    Each table gets a selection with exactly one ``between`` (DMS joins the conditions inside one filter with OR, and
    two filters on one column were seen to load everything), its own staging table, and lowercase column names.

    About ``_`` in names: a filter needs an exact table name. AWS's own examples write the underscores of exact names
    plainly, so selections do the same. In rules that rename, AWS documents that a plain ``_`` may match any character.
    A plain name matches itself under both readings, so ``[_]`` is written only if the plain name would also match
    another table of this mapping. That is the safest choice, although no document says so.

    Raises MappingError if two tables have the same name, or if a filtered selection cannot express a name.
    """
    floor, ceiling = literal_bounds(start, end)
    between = {
        "filter-operator": "between",
        "start-value": floor.isoformat(" ", "seconds"),
        "end-value": ceiling.isoformat(" ", "seconds"),
    }
    return _mappings(tables, {table.source: (table.window_column, [between]) for table in tables})


def key_mappings(tables: Sequence[tuple[TableLoad, str, Sequence[dict[str, str]]]]) -> dict[str, Any]:
    """Return the mapping that loads rows by key: the rows of each table whose key column meets one of the conditions.

    There is one filter per table, because DMS joins the conditions inside one filter with OR, which is wanted here.
    """
    filters = {table.source: (column, list(conditions)) for table, column, conditions in tables}
    return _mappings([table for table, _, _ in tables], filters)


def whole_mappings(tables: Sequence[TableLoad]) -> dict[str, Any]:
    """Return the mapping of whole tables, without a filter, for a task that compares them."""
    return _mappings(tables, {})


def _mappings(
    tables: Sequence[TableLoad], filters: Mapping[tuple[str, str], tuple[str, list[dict[str, str]]]]
) -> dict[str, Any]:
    """Return the mapping.

    ``filters`` holds, by source table, the column of its only filter and the conditions; nothing for a whole table.
    """
    _check(tables)
    rules: list[dict[str, Any]] = []

    def add(rule_type: str, name: str, rule: dict[str, Any]) -> None:
        number = str(len(rules) + 1)
        # DMS wants rule names to be unique and alphanumeric.
        readable = re.sub(r"[^0-9A-Za-z]+", "-", name)
        rules.append({"rule-type": rule_type, "rule-id": number, "rule-name": f"{number}-{readable}", **rule})

    def named(name: str, siblings: Iterable[str]) -> str:
        # Only a filter needs a plain name.
        return _locator_name(name, siblings) if filters else escaped(name)

    for table in tables:
        add("selection", f"load {table.source_table}", _selection(table, filters.get(table.source)))
    schemas = {table.source_schema: table.staging_schema for table in tables}
    for source, staging in schemas.items():
        locator = {"schema-name": named(source, schemas)}
        add("transformation", f"schema {source}", _rename("schema", locator, staging))
    for table in tables:
        siblings = [other.source_table for other in tables if other.source_schema == table.source_schema]
        locator = {
            "schema-name": named(table.source_schema, schemas),
            "table-name": named(table.source_table, siblings),
        }
        add("transformation", f"table {table.source_table}", _rename("table", locator, table.staging_table))
        # Before the lowercase rule: if two rules match a column, DMS applies only that of the lower rule-id.
        for column in table.ignored_columns:
            rule = {
                "rule-target": "column",
                "object-locator": {**locator, "column-name": column},
                "rule-action": "remove-column",
            }
            add("transformation", f"without {table.source_table} {column}", rule)
        for column, staged in table.renamed_columns:
            place = {**locator, "column-name": escaped(column)}
            add("transformation", f"column {table.source_table} {column}", _rename("column", place, staged))
    for source in schemas:
        locator = {"schema-name": named(source, schemas), "table-name": "%", "column-name": "%"}
        rule = {"rule-target": "column", "object-locator": locator, "rule-action": "convert-lowercase"}
        add("transformation", f"columns {source}", rule)
    return {"rules": rules}


def _selection(table: TableLoad, only: tuple[str, list[dict[str, str]]] | None) -> dict[str, Any]:
    if only is None:
        locator = {"schema-name": escaped(table.source_schema), "table-name": escaped(table.source_table)}
        return {"object-locator": locator, "rule-action": "include"}
    column, conditions = only
    return {
        "object-locator": {"schema-name": table.source_schema, "table-name": table.source_table},
        "rule-action": "include",
        "filters": [{"filter-type": "source", "column-name": column, "filter-conditions": conditions}],
    }


def _rename(target: str, locator: dict[str, str], value: str) -> dict[str, Any]:
    return {"rule-target": target, "object-locator": locator, "rule-action": "rename", "value": value}


def _locator_name(name: str, siblings: Iterable[str]) -> str:
    ambiguous = any(matches(name, other) for other in siblings if other != name)
    return escaped(name) if ambiguous else name


def _check(tables: Sequence[TableLoad]) -> None:
    if not tables:
        raise MappingImpossible("A table mapping needs at least one table; DMS refuses one without a selection rule.")
    staging_schemas: dict[str, str] = {}
    sources: set[tuple[str, str]] = set()
    targets: set[tuple[str, str]] = set()
    for table in tables:
        source = ".".join(table.source)
        if not (is_exact(table.source_schema) and is_exact(table.source_table)):
            raise MappingImpossible(
                f"The source table {source} has a wildcard (% or []) in its name, which a filtered DMS selection "
                "cannot name; load it through a view with a plain name."
            )
        if wild := [column for column in table.ignored_columns if not is_exact(column)]:
            raise MappingImpossible(
                f"The ignored column {wild[0]} of {source} has a wildcard (% or []) in its name, and a DMS rule would "
                "leave out other columns too; load the table through a view without it."
            )
        if staging_schemas.setdefault(table.source_schema, table.staging_schema) != table.staging_schema:
            raise MappingImpossible(
                f"The tables of the source schema {table.source_schema} would be staged in both "
                f"{staging_schemas[table.source_schema]} and {table.staging_schema}, but DMS renames a schema as a "
                "whole; use one staging schema."
            )
        if table.source in sources:
            raise MappingImpossible(f"One task would load the source table {source} twice; name it once.")
        if (table.staging_schema, table.staging_table) in targets:
            raise MappingImpossible(
                f"Two source tables would fill the staging table {table.staging_schema}.{table.staging_table}, the "
                f"second is {source}; give each its own."
            )
        sources.add(table.source)
        targets.add((table.staging_schema, table.staging_table))
