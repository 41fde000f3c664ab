"""What DMS says about a validation, as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from reload_assets.dms.lint import lint_mapping, lint_settings
from reload_assets.dms.mappings import TableLoad, whole_mappings
from reload_assets.dms.settings import task_settings, validation_settings
from reload_assets.dms.validation import TableValidation, require_finished, validations
from reload_assets.errors.validation import ValidationFailed

FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"
ITEMS = TableLoad("SALES", "ORDER_ITEMS", "UPDATED_AT", "production", "order_lines", ("OLD",), (("NM", "name"),))


def state(state: str, **more: Any) -> TableValidation:
    (found,) = validations([{"SchemaName": "SALES", "TableName": "ORDERS", "ValidationState": state, **more}])
    return found


@pytest.mark.parametrize("compared", ["Validated", "Mismatched records"])
def test_a_table_whose_rows_were_all_compared_needs_no_words(compared: str) -> None:
    assert state(compared).why_not is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("No primary key", "no primary key by which it can compare rows"),
        ("Suspended records", "gave up on some of its rows"),
        ("Table error", "the table is in error"),
        ("Error", "DMS cannot compare it"),
        ("Pending validation", "it ended as 'Pending validation'"),
        ("", "it ended as 'Not enabled'"),
    ],
)
def test_any_other_table_is_not_validated_and_the_reason_is_said(given: str, said: str) -> None:
    why = state(given).why_not
    assert why is not None
    assert said in why


def test_what_dms_says_of_a_table_has_no_values_of_rows() -> None:
    why = state("Error", ValidationStateDetails='invalid input syntax for type integer: "secret"').why_not
    assert why is not None
    assert 'DMS says: "invalid input syntax for type integer:' in why
    assert "secret" not in why


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("failed", "Stop Reason FATAL_ERROR Error Level FATAL", "ended as 'failed' with FATAL_ERROR"),
        ("stopped", "Stop Reason NORMAL", "ended as 'stopped' with NORMAL"),
        ("failed", None, "ended as 'failed', so"),
    ],
)
def test_a_task_that_was_ended_has_not_validated(status: str, reason: str | None, said: str) -> None:
    task = {"ReplicationTaskIdentifier": "validate-sales-1", "Status": status, "StopReason": reason}
    with pytest.raises(ValidationFailed, match=f"The DMS task validate-sales-1 {said}"):
        require_finished(task)
    require_finished({**task, "Status": "stopped", "StopReason": FINISHED})


def test_the_mapping_and_the_settings_of_a_validation_are_without_mistakes() -> None:
    mapping = whole_mappings([ITEMS])
    settings = validation_settings(task_settings(commit_rate=10, max_sub_tasks=8, lob_max_kb=32), "dmslogs")
    assert lint_mapping(mapping) + lint_settings(settings, mapping) == []
    assert settings["FullLoadSettings"]["TargetTablePrepMode"] == "DO_NOTHING"
    assert settings["ValidationSettings"]["ValidationOnly"] is True
    assert settings["ControlTablesSettings"] == {"ControlSchema": "dmslogs"}
    # A filter would cut the source only, and every row of production outside of it would be a failure.
    assert [rule for rule in mapping["rules"] if "filters" in rule] == []
    names = {(rule.get("rule-target"), rule["rule-action"]): rule for rule in mapping["rules"]}
    assert names[None, "include"]["object-locator"] == {"schema-name": "SALES", "table-name": "ORDER[_]ITEMS"}
    assert names["schema", "rename"]["value"] == "production"
    assert names["table", "rename"]["value"] == "order_lines"
    assert names["column", "rename"]["value"] == "name"
    assert names["column", "remove-column"]["object-locator"]["column-name"] == "OLD"
