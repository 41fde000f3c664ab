"""What a table mapping means: which tables are loaded, which rows, and under which names they arrive.

Each object gets one action; where several rules match it, the LOWER rule-id wins. Names without a rule arrive as they
are in the source, which is UPPERCASE for Oracle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from reload_assets.dms.patterns import transforms
from reload_assets.local.dms.catalog import SourceTable
from reload_assets.local.dms.rules import (
    Filter,
    SelectionRule,
    TableSettingsRule,
    TransformationRule,
    parse_rules,
)


@dataclass(frozen=True)
class Selection:
    """A selected source table and its filters."""

    table: SourceTable
    filters: tuple[Filter, ...]

    def condition(self) -> sql.Composable:
        """Return the rows that are loaded: filters are AND-ed, the conditions inside each are OR-ed."""
        if not self.filters:
            return sql.SQL("true")
        return sql.SQL(" AND ").join([one.condition() for one in self.filters])


@dataclass(frozen=True)
class MappedColumn:
    """A column of the target: its source column, or None and an expression for one that a rule added.

    ``data_type`` is the ``data-type`` of an add-column or change-data-type rule, empty without one.
    """

    source: str | None
    target: str
    data_type: dict[str, Any]
    expression: str = ""


class TableMapping:
    """A checked mapping document.

    Raises ApiError with the service's texts where the document is refused.
    """

    def __init__(self, text: str) -> None:
        rules = parse_rules(text)
        self._selections = [rule for rule in rules if isinstance(rule, SelectionRule)]
        self._transformations = [rule for rule in rules if isinstance(rule, TransformationRule)]
        self._settings = [rule for rule in rules if isinstance(rule, TableSettingsRule)]

    def select(self, tables: Iterable[SourceTable]) -> list[Selection]:
        """Return the tables that some rule includes and none excludes: higher load-order first, then by name."""
        chosen: list[tuple[int, Selection]] = []
        for table in sorted(tables, key=lambda one: (one.schema, one.name)):
            matching = [
                rule
                for rule in self._selections
                if rule.locator.table_type in ("all", table.kind) and rule.locator.matches(table.schema, table.name)
            ]
            if matching and not any(rule.action == "exclude" for rule in matching):
                chosen.append((matching[0].load_order, Selection(table, matching[0].filters)))
        return [selection for _, selection in sorted(chosen, key=lambda pair: -pair[0])]

    def target_name(self, table: SourceTable, target_schema: str) -> tuple[str, str]:
        """Schema and table on the target; ``target_schema`` (TargetMetadata) holds where no rule names the schema."""
        schema_rule = self._naming("schema", table.schema)
        table_rule = self._naming("table", table.schema, table.name)
        schema = schema_rule.renamed(table.schema) if schema_rule else target_schema or table.schema
        return schema, table_rule.renamed(table.name) if table_rule else table.name

    def columns(self, table: SourceTable, names: Sequence[str]) -> list[MappedColumn]:
        """Return the columns that are loaded, in the source's order, then those that rules add."""
        here = [rule for rule in self._transformations if rule.target == "column"]
        here = [rule for rule in here if rule.locator.matches(table.schema, table.name)]
        only = [rule for rule in here if rule.action == "include-column"]
        removed = [rule for rule in here if rule.action == "remove-column"]
        mapped = []
        for name in names:
            if not transforms(name):
                mapped.append(MappedColumn(name, name, {}))
                continue
            if any(rule.locator.matches(table.schema, table.name, name) for rule in removed):
                continue
            if only and not any(rule.locator.matches(table.schema, table.name, name) for rule in only):
                continue
            rule = self._naming("column", table.schema, table.name, name)
            mapped.append(MappedColumn(name, rule.renamed(name) if rule else name, rule.data_type if rule else {}))
        added = [rule for rule in here if rule.action == "add-column"]
        return mapped + [MappedColumn(None, rule.value, rule.data_type, rule.expression) for rule in added]

    def lob_settings(self, table: SourceTable) -> TableSettingsRule | None:
        """Return the table's own LOB settings, if a rule gives some."""
        for rule in self._settings:
            if rule.lob_mode and rule.locator.matches(table.schema, table.name):
                return rule
        return None

    def _naming(
        self, target: str, schema: str, table: str | None = None, column: str | None = None
    ) -> TransformationRule | None:
        for rule in self._transformations:
            decides = rule.target == target and rule.action not in ("add-column", "include-column", "remove-column")
            if decides and rule.locator.matches(schema, table, column):
                return rule
        return None
