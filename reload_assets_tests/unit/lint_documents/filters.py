"""Documents about source filters (AWS DMS user guide, "Using source filters")."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import (
    case,
    change,
    filtered,
    rules,
    selection,
    where,
    with_change,
)

DOCUMENTS = [
    case("one between", "taken", filtered(where("between", "1", "5"))),
    case("a value that is a number", "taken", filtered(where("eq", 5))),
    case(
        "the OR of the guide's own example",
        "taken",
        filtered(where("lte", "10"), where("between", "50", "75"), where("gte", "100")),
    ),
    case("several values", "taken", filtered(where("eq", "1"), where("eq", "2"), where("null"))),
    case("an open range", "taken", filtered(where("gte", "2025-01-01"))),
    case(
        "ranges that cover everything",
        "ignored",
        filtered(where("gte", "2025-01-01"), where("lte", "2025-02-01")),
        "error: or-ed-conditions",
    ),
    case(
        "ranges that meet",
        "ignored",
        filtered(where("lte", "10"), where("between", "9", "20"), where("gte", "20.0")),
        "error: or-ed-conditions",
    ),
    case("texts that meet as numbers do not", "taken", filtered(where("lte", "9"), where("gte", "10"))),
    case(
        "a date that meets its midnight",
        "ignored",
        filtered(where("lte", "2025-01-01"), where("gte", "2025-01-01 00:00:00")),
        "error: or-ed-conditions",
    ),
    case(
        "a filter with explicit",
        "ignored",
        filtered(where("eq", "1"), action="explicit"),
        "error: filter-without-include",
    ),
    case(
        "a filter with exclude",
        "ignored",
        rules(selection(), filtered(where("eq", "1"), number="2", action="exclude", table="b")["rules"][0]),
        "error: filter-without-include",
    ),
    case(
        "a filter in a transformation",
        "ignored",
        with_change(
            change(
                "convert-uppercase",
                filters=[{"filter-type": "source", "column-name": "a", "filter-conditions": [where("null")]}],
            )
        ),
        "error: filter-without-include",
    ),
    case(
        "a filtered pattern",
        "refused",
        filtered(where("eq", "1"), table="ord%"),
        "error: wildcard-in-filtered-selection",
    ),
    case(
        "a filtered set of tables",
        "refused",
        filtered(where("eq", "1"), table="order[ab]"),
        "error: wildcard-in-filtered-selection",
    ),
    case("a filtered table with an _", "taken", filtered(where("eq", "1"), table="order_items")),
    case("a filtered table with an escaped _", "taken", filtered(where("eq", "1"), table="order[_]items")),
    case(
        "a filter without type",
        "refused",
        rules(selection(filters=[{"column-name": "a", "filter-conditions": [where("null")]}])),
        "error: malformed-filter",
    ),
    case("a filter without column", "refused", filtered(where("eq", "1"), column=""), "error: malformed-filter"),
    case("a filter without conditions", "refused", filtered(), "error: malformed-filter"),
    case("an unknown operator", "refused", filtered(where("gt", "1")), "error: unknown-operator"),
    case(
        "a between without end",
        "refused",
        filtered({"filter-operator": "between", "start-value": "1"}),
        "error: missing-value",
    ),
    case("an empty value", "refused", filtered(where("eq", "")), "error: missing-value"),
    case(
        "two negative conditions",
        "refused",
        filtered(where("noteq", "1"), where("noteq", "2")),
        "error: negative-in-company",
    ),
    case(
        "one negative condition in each filter",
        "taken",
        rules(
            selection(
                filters=[
                    {"filter-type": "source", "column-name": name, "filter-conditions": [where("notnull")]}
                    for name in ("a", "b")
                ]
            )
        ),
    ),
    case(
        "two filters on one column",
        "taken",
        rules(
            selection(
                filters=[
                    {"filter-type": "source", "column-name": "a", "filter-conditions": [where(one, "5")]}
                    for one in ("gte", "lte")
                ]
            )
        ),
        "advice: several-filters-on-column",
    ),
    case("an end at 23:59:59", "taken", filtered(where("lte", "2025-01-31 23:59:59")), "advice: end-loses-fractions"),
    case(
        "a date with a T", "taken", filtered(where("gte", "2025-01-31T00:00:00Z")), "advice: undocumented-date-literal"
    ),
    case(
        "a column in Hebrew",
        "taken",
        filtered(where("eq", "1"), column="\u05de\u05d7\u05d9\u05e8"),
        "error: untransformable-column",
    ),
]
