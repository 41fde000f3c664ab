"""Documents about data masking (AWS DMS user guide, "Using data masking to hide sensitive information")."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import TEXT, case, change, with_change

DOCUMENTS = [
    case("masked digits", "taken", with_change(change("data-masking-digits-mask", value="#"))),
    case(
        "masked digits without mask",
        "refused",
        with_change(change("data-masking-digits-mask")),
        "error: missing-member",
    ),
    case(
        "masked digits with a blank",
        "refused",
        with_change(change("data-masking-digits-mask", value=" ")),
        "error: bad-masking-character",
    ),
    case(
        "masked digits with two characters",
        "refused",
        with_change(change("data-masking-digits-mask", value="##")),
        "error: bad-masking-character",
    ),
    case(
        "a hash of a column that another rule makes wider",
        "taken",
        with_change(change("change-data-type", data_type=TEXT), change("data-masking-hash-mask", number="6")),
    ),
    case(
        "a hash before the column is wider",
        "taken",
        with_change(change("data-masking-hash-mask"), change("change-data-type", number="6", data_type=TEXT)),
        "advice: masking-before-data-type",
    ),
]
