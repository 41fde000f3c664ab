"""The documents that the linter is judged by: what AWS does with each, and what the linter has to say.

``refused``: CreateReplicationTask answers HTTP 400. ``ignored``: it takes the document, and a part of it has no effect.
``taken``: it does what the document says. What the user guide does not tell is judged as the nearest case that it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A document; ``says`` are the linter's findings as ``severity: code``, in any order."""

    name: str
    aws: str
    document: Any
    says: frozenset[str]
    is_settings: bool = False


def case(name: str, aws: str, document: Any, *says: str) -> Case:
    return Case(name, aws, document, frozenset(says))


def of_settings(name: str, aws: str, settings: Any, *says: str) -> Case:
    """Settings laid over those of a reload, which lint clean."""
    return Case(name, aws, settings, frozenset(says), is_settings=True)


def selection(number: Any = "1", action: str = "include", table: Any = "orders", **more: Any) -> Document:
    """A selection in lower case, which needs no rule for the case of names."""
    locator = {"schema-name": more.pop("schema", "sales"), "table-name": table, **more.pop("locator", {})}
    rule = {"rule-type": "selection", "rule-id": number, "rule-name": f"select-{number}", "object-locator": locator}
    return {**rule, "rule-action": action, **_members(more)}


def change(action: str, target: str = "column", number: str = "5", **more: Any) -> Document:
    """A transformation of sales.orders.amount, or of what ``target`` makes of it."""
    keys = {"schema": 1, "table": 2, "column": 3}.get(target, 2)
    names = {"schema-name": "sales", "table-name": "orders", "column-name": "amount"}
    locator = {**dict(list(names.items())[:keys]), **more.pop("locator", {})}
    return {
        "rule-type": "transformation",
        "rule-id": number,
        "rule-name": f"change-{number}",
        "rule-target": target,
        "rule-action": action,
        "object-locator": {key: value for key, value in locator.items() if value is not None},
        **_members(more),
    }


def table_settings(**more: Any) -> Document:
    locator = {"schema-name": "sales", "table-name": "orders", **more.pop("locator", {})}
    rule = {"rule-type": "table-settings", "rule-id": "7", "rule-name": "settings-7", "object-locator": locator}
    return {**rule, **_members(more)}


def _members(more: dict[str, Any]) -> Document:
    return {name.replace("_", "-"): value for name, value in more.items()}


def rules(*rules: Any) -> Document:
    return {"rules": list(rules)}


def with_change(*changes: Any) -> Document:
    return rules(selection(), *changes)


def filtered(*conditions: Document, column: Any = "amount", **more: Any) -> Document:
    """A selection with one filter."""
    one = {"filter-type": "source", "column-name": column, "filter-conditions": list(conditions)}
    return rules(selection(**{"filters": [one], **more}))


def where(operator: str, *values: Any) -> Document:
    names = ("start-value", "end-value") if len(values) == 2 else ("value",)
    return {"filter-operator": operator, **dict(zip(names, values, strict=False))}


def without(rule: Document, *members: str) -> Document:
    return {name: value for name, value in rule.items() if name not in members}


def ranges(columns: Any, boundaries: Any) -> Document:
    return with_change(table_settings(parallel_load={"type": "ranges", "columns": columns, "boundaries": boundaries}))


def lobs(**members: Any) -> Document:
    return with_change(table_settings(lob_settings=_members(members)))


INT8 = {"type": "int8"}
TEXT = {"type": "string", "length": 20}
KEY = {"name": "orders_pk", "columns": ["id"]}
BEFORE = {"column-prefix": "old_"}
NULLS_LOST = "advice: ranges-lose-nulls"
OBJECT_MAPPING = {
    "rule-type": "object-mapping",
    "rule-id": "5",
    "rule-name": "map",
    "rule-action": "map-record-to-record",
    "kafka-target-topic": "orders",
    "object-locator": {"schema-name": "sales", "table-name": "orders"},
}
POST_PROCESSING = {
    "rule-type": "post-processing",
    "rule-id": "5",
    "rule-name": "tag",
    "rule-action": "add-tag",
    "object-locator": {"schema-name": "sales", "table-name": "orders"},
    "tag-set": [{"key": "source", "value": "oracle"}],
}
VALIDATION = {
    "rule-type": "validation",
    "rule-id": "5",
    "rule-name": "check",
    "rule-target": "column",
    "object-locator": {"schema-name": "sales", "table-name": "orders", "column-name": "amount"},
    "rule-action": "override-validation-function",
    "source-function": "REPLACE(${column-name}, chr(0), chr(32))",
    "target-function": "${column-name}",
}
