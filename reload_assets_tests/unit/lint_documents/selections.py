"""Documents about selection rules (AWS DMS user guide, "Selection rules and actions")."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import case, change, rules, selection, without

DOCUMENTS = [
    case("the smallest mapping", "taken", rules(selection())),
    case("a rule-id that is a number", "taken", rules(selection(number=1))),
    case("a rule-id that is not a number", "refused", rules(selection(number="one")), "error: non-numeric-rule-id"),
    case("a negative rule-id", "refused", rules(selection(number=-1)), "error: non-numeric-rule-id"),
    case("a rule-id of Arabic digits", "refused", rules(selection(number="\u0661")), "error: non-numeric-rule-id"),
    case("no rule-id", "refused", rules(without(selection(), "rule-id")), "error: missing-rule-id"),
    case(
        "one rule-id twice",
        "refused",
        rules(selection(), selection(table="customers")),
        "error: duplicate-rule-id",
        "advice: duplicate-rule-name",
    ),
    case(
        "one rule-name twice",
        "taken",
        rules(selection(), selection("2", table="b", rule_name="select-1")),
        "advice: duplicate-rule-name",
    ),
    case("no rule-name", "taken", rules(without(selection(), "rule-name")), "advice: missing-rule-name"),
    case("no selection", "refused", rules(change("convert-uppercase")), "error: no-selection"),
    case(
        "an unknown rule-type",
        "refused",
        rules(selection(), selection("2") | {"rule-type": "selct"}),
        "error: unknown-rule-type",
    ),
    case("an unknown action", "refused", rules(selection(action="includes")), "error: unknown-action"),
    case("no locator", "refused", rules(without(selection(), "object-locator")), "error: missing-object-locator"),
    case("no schema", "refused", rules(selection(schema="")), "error: incomplete-object-locator"),
    case("no table", "refused", rules(selection(table=None)), "error: incomplete-object-locator"),
    case("views too", "taken", rules(selection(locator={"table-type": "all"}))),
    case(
        "an unknown table-type",
        "refused",
        rules(selection(locator={"table-type": "views"})),
        "error: unknown-table-type",
    ),
    case("the exact names of explicit", "taken", rules(selection(action="explicit", table="order_items"))),
    case(
        "explicit with a wildcard",
        "refused",
        rules(selection(action="explicit", table="ord%")),
        "error: wildcard-in-exact-name",
    ),
    case(
        "explicit with an escaped _",
        "refused",
        rules(selection(action="explicit", table="order[_]items")),
        "error: wildcard-in-exact-name",
    ),
    case("a load-order", "taken", rules(selection(load_order="2"))),
    case("a load-order that is not a number", "refused", rules(selection(load_order="first")), "error: bad-load-order"),
    case("a load-order below 1", "refused", rules(selection(load_order=0)), "error: bad-load-order"),
    case("a load-order above the highest", "refused", rules(selection(load_order=2**31)), "error: bad-load-order"),
    case("a pattern with an _", "taken", rules(selection(table="%_items")), "advice: underscore-wildcard"),
    case("names in upper case", "taken", rules(selection(schema="SALES", table="ORDERS")), "advice: missing-case-rule"),
]
