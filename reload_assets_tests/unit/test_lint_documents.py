"""The linter and the DMS stand-in judge each document of the table as AWS does, and so never disagree."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from reload_assets.dms.findings import Finding, Fix
from reload_assets.dms.lint import lint_mapping, lint_settings
from reload_assets.dms.lint_codes import CHAPTERS, LINT_FINDINGS
from reload_assets.dms.settings import task_settings
from reload_assets.local.dms import settings
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.protocol import ApiError
from reload_assets_tests.unit.lint_documents import DOCUMENTS, Case

MAPPINGS = [one for one in DOCUMENTS if not one.is_settings]


def of_a_reload(changed: dict[str, Any]) -> dict[str, Any]:
    """The settings of a reload with some changed; a group that is not an object replaces the whole one."""
    document = copy.deepcopy(task_settings(commit_rate=10_000, max_sub_tasks=8, lob_max_kb=32))
    for group, members in changed.items():
        if isinstance(members, dict):
            document.setdefault(group, {}).update(members)
        else:
            document[group] = members
    return document


def linted(one: Case, document: Any) -> list[Finding]:
    return lint_settings(of_a_reload(document)) if one.is_settings else lint_mapping(json.dumps(document))


def answered(one: Case, document: Any) -> str:
    """What the stand-in does when a task is created with the document; any other exception would be HTTP 500."""
    try:
        if one.is_settings:
            settings.complete(json.dumps(of_a_reload(document)))
        else:
            TableMapping(json.dumps(document))
    except ApiError as error:
        return "refused" if error.code == "InvalidParameterValueException" else error.code
    return "taken"


@pytest.mark.parametrize("one", DOCUMENTS, ids=lambda one: one.name)
def test_what_the_linter_says(one: Case) -> None:
    found = linted(one, one.document)
    assert {f"{finding.kind.severity}: {finding.code}" for finding in found} == one.says


@pytest.mark.parametrize("one", DOCUMENTS, ids=lambda one: one.name)
def test_the_stand_in_answers_as_aws_does(one: Case) -> None:
    assert answered(one, one.document) == ("refused" if one.aws == "refused" else "taken")


def test_the_linter_finds_an_error_in_what_aws_refuses_or_ignores_and_in_nothing_else() -> None:
    # A member that AWS ignores is none of the guide's, so that its error would be a guess; in a filter AWS does not say
    # what becomes of a name that it cannot read.
    beside = {"a member that DMS does not know", "a column in Hebrew"}
    for one in DOCUMENTS:
        has_error = any(said.startswith("error:") for said in one.says)
        if one.name not in beside:
            assert has_error == (one.aws in ("refused", "ignored")), one.name


def test_the_table_has_every_code_of_a_document() -> None:
    of_files = {"invalid-json", "unknown-document"}
    with_two_documents = {"target-schema-with-schema-rule"}
    in_upper_case = {"lowercase-filter-column"}
    said = {line.partition(": ")[2] for one in DOCUMENTS for line in one.says}
    assert set(LINT_FINDINGS) - said == of_files | with_two_documents | in_upper_case


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2.5,
        "",
        "%",
        "5",
        "x",
        "a#b",
        "[_]",
        "[",
        [],
        [[]],
        [None],
        {},
        {"type": "int8"},
        "\u0661",
        10**400,
    ]
)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Case, Any]:
    """A document of the table in which something else stands in one or two places."""
    one = draw(st.sampled_from([case for case in DOCUMENTS if case.aws != "refused"]))
    document = copy.deepcopy(one.document)
    for _ in range(draw(st.integers(1, 2))):
        place = document
        while isinstance(place, dict | list) and place:
            step = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[step], dict | list) or not place[step] or draw(st.integers(0, 3)) == 0:
                place[step] = copy.deepcopy(draw(VALUES))
                break
            place = place[step]
    return one, document


@settings_of_hypothesis(max_examples=300, deadline=None)
@given(spoiled())
def test_a_spoiled_document_breaks_nobody_and_what_is_refused_is_an_error(found: tuple[Case, Any]) -> None:
    one, document = found
    says = linted(one, document)
    assert all(str(finding) and finding.kind.severity in ("error", "advice") for finding in says)
    answer = answered(one, document)
    assert answer in ("taken", "refused")
    if answer == "refused":
        assert [finding.code for finding in says if finding.kind.severity == "error"]


def fixed(document: Any, number: str | None, fix: Fix) -> Any:
    """The document with the finding's own fix."""
    changed = copy.deepcopy(document)
    (rule,) = [rule for rule in changed["rules"] if str(rule.get("rule-id")) == number]
    *path, last = fix.member.split(".")
    place: Any = rule
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    place[last] = fix.value
    return changed


FIXABLE = [(one, finding) for one in MAPPINGS for finding in linted(one, one.document) if finding.fix is not None]


@pytest.mark.parametrize(("one", "finding"), FIXABLE, ids=lambda value: getattr(value, "name", None))
def test_a_fix_that_is_proposed_lints_clean(one: Case, finding: Finding) -> None:
    assert finding.fix is not None
    before, after = linted(one, one.document), linted(one, fixed(one.document, finding.rule_id, finding.fix))
    assert {str(left) for left in after} == {str(left) for left in before} - {str(finding)}


def test_fixes_are_proposed_for_words_wildcards_and_characters() -> None:
    assert {finding.code for _, finding in FIXABLE} >= {
        "underscore-wildcard",
        "unknown-action",
        "unknown-data-type",
        "unknown-operator",
        "wildcard-in-exact-name",
        "wrong-rule-target",
    }


@pytest.mark.parametrize("frame", [lambda rule: rule, lambda rule: [rule]])
def test_a_bare_rule_is_told_its_frame_and_lints_clean_in_it(frame: Any) -> None:
    (one,) = [one for one in MAPPINGS if one.name == "the smallest mapping"]
    rule = one.document["rules"][0]
    (finding,) = lint_mapping(json.dumps(frame(rule)))
    assert (finding.code, '{"rules": [...]}' in finding.message) == ("bare-rule", True)
    assert lint_mapping({"rules": [rule]}) == []


def test_a_filter_in_lower_case_on_an_uppercase_table_is_named_with_its_fix() -> None:
    condition = {"filter-operator": "eq", "value": "1"}
    one = {"filter-type": "source", "column-name": "amount", "filter-conditions": [condition]}
    locator = {"schema-name": "SALES", "table-name": "ORDERS"}
    rule = {"rule-type": "selection", "rule-id": "1", "rule-name": "a", "object-locator": locator}
    document = {"rules": [{**rule, "rule-action": "include", "filters": [one]}]}
    (finding,) = [found for found in lint_mapping(document) if found.code == "lowercase-filter-column"]
    assert finding.fix == Fix("filters.0.column-name", "AMOUNT")
    codes = [found.code for found in lint_mapping(fixed(document, "1", finding.fix))]
    assert codes == ["missing-case-rule"]


def test_every_code_names_its_source() -> None:
    sources = {one.source for one in LINT_FINDINGS.values()}
    assert sources - set(CHAPTERS) == {"DMS's answers", "how reloads work"}
    assert set(CHAPTERS) <= sources
    assert {one.severity for one in LINT_FINDINGS.values()} == {"error", "advice"}
