"""Documents about rules for other targets and for validation."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import (
    OBJECT_MAPPING,
    POST_PROCESSING,
    VALIDATION,
    case,
    with_change,
    without,
)

DOCUMENTS = [
    case("a rule for Kafka", "taken", with_change(OBJECT_MAPPING), "advice: other-target-rule"),
    case(
        "an unknown object mapping",
        "refused",
        with_change(OBJECT_MAPPING | {"rule-action": "map"}),
        "error: unknown-action",
        "advice: other-target-rule",
    ),
    case("a rule for S3", "taken", with_change(POST_PROCESSING), "advice: other-target-rule"),
    case("a rule for validation", "taken", with_change(VALIDATION)),
    case("a rule for validation of the target only", "taken", with_change(without(VALIDATION, "source-function"))),
    case(
        "a rule for validation without function",
        "refused",
        with_change(without(VALIDATION, "source-function", "target-function")),
        "error: missing-validation-function",
    ),
]
