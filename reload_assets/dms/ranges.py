"""Values of filters and boundaries in their order, as far as a document alone tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

_DATE = re.compile(r"\d{4}-\d\d-\d\d")

Key = tuple[Any, ...]


def comparable(rows: Sequence[Sequence[Any]]) -> list[Key]:
    """Return the rows as keys in the order of their columns: of numbers where a column has only numbers, else of texts.

    The rows have one length. A date stands for its midnight.
    """
    columns = [_in_order(column) for column in zip(*rows, strict=True)]
    return list(zip(*columns, strict=True))


def covers_everything(conditions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether conditions on one column, joined with OR, select every row that has a value there.

    The operators are positive ones, with their values.
    """
    bounds = [_bounds(one) for one in conditions]
    values = iter(_in_order([value for pair in bounds for value in pair if value is not None]))
    intervals = [[value if value is None else next(values) for value in pair] for pair in bounds]
    ends = [high for low, high in intervals if low is None and high is not None]
    while ends:
        reached = max(ends)
        touching = [high for low, high in intervals if low is not None and low <= reached]
        if None in touching:
            return True
        ends = [high for high in touching if high is not None and high > reached]
    return False


def _bounds(condition: Mapping[str, Any]) -> tuple[Any, Any]:
    operator, value = condition.get("filter-operator"), condition.get("value")
    if operator == "between":
        return condition["start-value"], condition["end-value"]
    return None if operator in ("lte", "ste") else value, None if operator == "gte" else value


def _in_order(values: Sequence[Any]) -> list[Any]:
    try:
        numbers = [Decimal(str(value)) for value in values]
    except InvalidOperation:
        return [f"{value} 00:00:00" if _DATE.fullmatch(str(value)) else str(value) for value in values]
    return [*map(str, values)] if any(number.is_nan() for number in numbers) else numbers
