"""What kind of value each member of a mapping rule holds. DMS refuses a document whose members are of another kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LOCATOR = dict.fromkeys(
    (
        "schema-name",
        "table-name",
        "column-name",
        "table-type",
        "table-tablespace-name",
        "index-tablespace-name",
        "data-type",
    ),
    "text",
)
_CONDITION = {"filter-operator": "text", "value": "scalar", "start-value": "scalar", "end-value": "scalar"}
_RULE: Mapping[str, Any] = {
    "rule-type": "text",
    "rule-id": "scalar",
    "rule-name": "scalar",
    "rule-action": "text",
    "rule-target": "text",
    "object-locator": _LOCATOR,
    "load-order": "scalar",
    "filters": [{"filter-type": "text", "column-name": "text", "filter-conditions": [_CONDITION]}],
    "value": "scalar",
    "old-value": "scalar",
    "expression": "text",
    "data-type": {"type": "text", "precision": "scalar", "scale": "scalar", "length": "scalar"},
    "primary-key-def": {"name": "text", "origin": "text", "columns": ["text"]},
    "before-image-def": {"column-prefix": "text", "column-suffix": "text", "column-filter": "text"},
    "parallel-load": {
        "type": "text",
        "partitions": ["text"],
        "subpartitions": ["text"],
        "columns": ["text"],
        "boundaries": [["scalar"]],
    },
    "lob-settings": {"mode": "text", "bulk-max-size": "scalar"},
    "source-function": "text",
    "target-function": "text",
}
_BESIDE = frozenset(
    {"isAutoSegmentationChecked", "target-table-name", "mapping-parameters", "kafka-target-topic", "tag-set"}
)

KNOWN_MEMBERS = frozenset(_RULE) | _BESIDE
"""The members of a rule that the guide or DMS's console know."""


def misshapen(rule: Mapping[str, Any]) -> Iterator[str]:
    """Return the members of a rule that hold a value of the wrong kind, with what is wrong. Null is not a value."""
    yield from _misshapen("", rule, _RULE)


def _misshapen(place: str, value: Any, shape: Any) -> Iterator[str]:
    if value is None:
        return
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            yield f"{place} is not an object"
            return
        for name, inner in shape.items():
            yield from _misshapen(f"{place}.{name}" if place else name, value.get(name), inner)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{place} is not a list"
            return
        for number, one in enumerate(value):
            if one is None:
                yield f"{place}.{number} is null"
            yield from _misshapen(f"{place}.{number}", one, shape[0])
    elif shape == "text" and not isinstance(value, str):
        yield f"{place} is not a text"
    elif shape == "scalar" and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        yield f"{place} is neither a text nor a number"
