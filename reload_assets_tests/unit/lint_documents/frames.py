"""Documents about the document as a whole."""

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
    case("a text and no rules", "refused", {"rules": "x"}, "error: no-rules"),
    case("no rules", "refused", rules(), "error: no-rules"),
    case("a rule without its frame", "refused", selection(), "error: bare-rule"),
    case("a list of rules", "refused", [selection()], "error: bare-rule"),
    case(
        "a list where an object belongs",
        "refused",
        rules(selection() | {"object-locator": []}),
        "error: malformed-member",
    ),
    case("an object where a list belongs", "refused", rules(selection(filters={"a": 1})), "error: malformed-member"),
    case("a number where a text belongs", "refused", rules(selection(table=5)), "error: malformed-member"),
    case(
        "a text where an object belongs",
        "refused",
        with_change(change("change-data-type", data_type="int8")),
        "error: malformed-member",
    ),
    case("a filter of texts", "refused", rules(selection(filters=["amount"])), "error: malformed-member"),
    case("a value that is a list", "refused", filtered(where("eq", ["1"])), "error: malformed-member"),
    case("a rule-id that is an object", "refused", rules(selection(number={})), "error: malformed-member"),
    case("a member that is null", "taken", rules(selection(filters=None, parallel_load=None))),
    case("what the console writes too", "taken", rules(selection(isAutoSegmentationChecked=False))),
    case("a member that DMS does not know", "ignored", rules(selection(filter=[])), "advice: unknown-member"),
]
