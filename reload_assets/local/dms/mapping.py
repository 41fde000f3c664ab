"""What a table mapping means: which tables are loaded, which rows, and under which names they arrive.

Each object gets one action; where several rules match it, the LOWER rule-id wins. Names without a rule arrive as they
are in the source, which is UPPERCASE for Oracle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from reload_assets.dms.patterns import transforms
from reload_assets.dms.vocabulary import MASKING_ACTIONS, RENAMING_ACTIONS
from reload_assets.local.dms.catalog import SourceTable
from reload_assets.local.dms.masking import Mask
from reload_assets.local.dms.parsing import parse_rules
from reload_assets.local.dms.rules import Filter, SelectionRule, TableSettingsRule, TransformationRule

# Of these actions, the one with the lowest rule-id is applied to an object.
_DECIDING = (*RENAMING_ACTIONS, "change-data-type")


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

    ``data_type`` is the ``data-type`` of an add-column or change-data-type rule, empty without one; ``mask`` what a
    masking rule does to the values.
    """

    source: str | None
    target: str
    data_type: dict[str, Any]
    expression: str = ""
    mask: Mask | None = None


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

    def columns(self, table: SourceTable, types: Mapping[str, str]) -> list[MappedColumn]:
        """Return the columns that are loaded, in the source's order, then those that rules add.

        ``types`` gives DMS's own data type of each source column. A column with a special character in its name is
        loaded as it is: no rule renames, removes or changes it.
        """
        here = [rule for rule in self._transformations if rule.target == "column"]
        here = [rule for rule in here if rule.locator.matches(table.schema, table.name)]
        includes = any(rule.action == "include-column" for rule in here)
        mapped = []
        for name, kind in types.items():
            if not transforms(name):
                mapped.append(MappedColumn(name, name, {}))
                continue
            rules = [rule for rule in here if rule.locator.matches(table.schema, table.name, name)]
            rules = [rule for rule in rules if rule.locator.data_type in ("", kind)]
            actions = {rule.action for rule in rules}
            if "remove-column" in actions or (includes and "include-column" not in actions):
                continue
            rule = next((rule for rule in rules if rule.action in _DECIDING), None)
            mask = next((rule for rule in rules if rule.action in MASKING_ACTIONS), None)
            mapped.append(
                MappedColumn(
                    source=name,
                    target=rule.renamed(name) if rule else name,
                    data_type=rule.data_type if rule else {},
                    mask=Mask.of(mask) if mask else None,
                )
            )
        added = [rule for rule in here if rule.action == "add-column"]
        return mapped + [MappedColumn(None, rule.value, rule.data_type, rule.expression) for rule in added]

    def lob_settings(self, table: SourceTable) -> TableSettingsRule | None:
        """Return the table's own LOB settings, if a rule gives some."""
        for rule in self._settings:
            if rule.lob_mode and rule.locator.matches(table.schema, table.name):
                return rule
        return None

    def _naming(self, target: str, schema: str, table: str | None = None) -> TransformationRule | None:
        for rule in self._transformations:
            if rule.target == target and rule.action in _DECIDING and rule.locator.matches(schema, table):
                return rule
        return None
