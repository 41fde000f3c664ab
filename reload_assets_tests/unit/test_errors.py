"""Every error has a stable code, says when it happens and what to do, and is on the page about errors."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import AssetKey

from reload_assets import troubleshooting
from reload_assets.checks.results import check_result
from reload_assets.dms.codes import TASK_FINDINGS
from reload_assets.dms.lint_codes import LINT_FINDINGS
from reload_assets.errors import ReloadError, code_of, without_secret
from reload_assets.errors.config import ConfigMissingField, ConfigMistakes, ConfigValue
from reload_assets.errors.reloads import NotVerified, StagingGone
from reload_assets.ledger.ledger import CheckStatus
from reload_assets.preflight.codes import FINDINGS
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.production import AFTER_CHECKS
from reload_assets.verify.staging import STAGING_CHECKS

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "reload_assets"
LINTERS = sorted(f"dms/{path.name}" for path in (PACKAGE / "dms").glob("lint*.py") if path.name != "lint_codes.py")
LOOKS = sorted(f"preflight/{path.name}" for path in (PACKAGE / "preflight").glob("*.py") if path.name != "codes.py")
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def subclasses(of: type[ReloadError]) -> Iterator[type[ReloadError]]:
    for one in of.__subclasses__():
        if one.__module__.startswith("reload_assets."):
            yield one
            yield from subclasses(one)


ERRORS: list[type[ReloadError]] = sorted({ReloadError, *subclasses(ReloadError)}, key=lambda one: one.__name__)
LEAVES = [one for one in ERRORS if "code" in vars(one)]
BASES = [one for one in ERRORS if one not in LEAVES]


def product_files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "local"]


def name_of(node: ast.AST | None) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@pytest.mark.parametrize("error", LEAVES, ids=lambda error: error.__name__)
def test_an_error_says_when_it_happens_what_to_do_and_its_code(error: type[ReloadError]) -> None:
    made = error(**error.example)
    assert CODE.fullmatch(error.code)
    assert code_of(str(made).splitlines()[0]) == error.code
    assert re.match(r"[A-Z`].{20,}\.$", (inspect.getdoc(error) or "").partition("\n\n")[0].replace("\n", " "))
    assert error.__doc__ != error.__mro__[1].__doc__
    assert error.advice.endswith(".")
    assert made.sentence[-1] in ".?]"


def test_no_two_errors_or_findings_have_one_code() -> None:
    codes = [*(error.code for error in LEAVES), *FINDINGS, *TASK_FINDINGS, *LINT_FINDINGS]
    assert len(codes) > 200
    assert sorted({code for code in codes if codes.count(code) > 1}) == []


def test_only_leaves_have_a_code_and_every_base_has_leaves() -> None:
    assert [error.__name__ for error in LEAVES if error.__subclasses__()] == []
    assert [error.__name__ for error in BASES if not error.__subclasses__()] == []
    assert [error for error in ERRORS if not error.__module__.startswith("reload_assets.errors")] == []


def test_nobody_makes_or_raises_a_base() -> None:
    bases = {error.__name__ for error in BASES}
    found = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno}"
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Call) and name_of(node) in bases)
        or (isinstance(node, ast.Raise) and name_of(node.exc) in bases)
    ]
    assert found == []


def test_every_error_can_happen() -> None:
    files = [path for path in product_files() if path.parent != PACKAGE / "errors"]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    made = {
        name_of(node.exc if isinstance(node, ast.Raise) else node)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call | ast.Raise)
    }
    assert [error.__name__ for error in LEAVES if error.__name__ not in made] == []


def test_the_page_about_errors_is_that_of_the_code() -> None:
    assert (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8") == troubleshooting.page()


def test_the_page_about_errors_has_every_error_check_and_finding() -> None:
    page = troubleshooting.page()
    assert len(re.findall(r"^### ", page, re.MULTILINE)) == len(LEAVES)
    wanted = [
        *(f"### {error.code}\n" for error in LEAVES),
        *(f"| `{name}` |" for name in (*STAGING_CHECKS, *AFTER_CHECKS, *FINDINGS, *TASK_FINDINGS, *LINT_FINDINGS)),
    ]
    assert [one for one in wanted if one not in page] == []


@pytest.mark.parametrize(
    ("registry", "modules", "makers"),
    [
        (TASK_FINDINGS, ["dms/examination.py"], {"TaskFinding", "_fence", "_refuse_table"}),
        (LINT_FINDINGS, [*LINTERS, "dms/findings.py"], {"Finding", "_finding", "unknown_word"}),
        (FINDINGS, [*LOOKS, "reload/checkup.py", "cli/doctor.py"], {"found"}),
    ],
)
def test_the_codes_of_findings_are_those_that_the_page_lists(
    registry: Mapping[str, Any], modules: list[str], makers: set[str]
) -> None:
    trees = [ast.parse((PACKAGE / name).read_text(encoding="utf-8")) for name in modules]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert sorted(code for code in registry if code not in texts) == []
    made = {
        str(argument.value)
        for node in nodes
        if isinstance(node, ast.Call) and name_of(node) in makers
        for argument in node.args[:2]
        if isinstance(argument, ast.Constant) and CODE.fullmatch(str(argument.value))
    }
    assert made
    assert sorted(made - set(registry)) == []
    assert all(CODE.fullmatch(code) for code in registry)


def test_the_code_of_an_error_that_quotes_another_one_is_its_own() -> None:
    inner = str(StagingGone("reload 7", "staging.orders_r7"))
    assert code_of(inner) == "staging-gone"
    assert code_of(str(NotVerified("reload 7", f"the check types is failed ({inner})", "fix it"))) == "not-verified"
    assert code_of("write key: [id]; Run 17 was cancelled.") is None


def test_each_of_several_mistakes_keeps_its_code() -> None:
    mistakes = [ConfigMissingField("reload.yaml: a", "is missing"), ConfigValue("reload.yaml: b", "is odd")]
    assert str(ConfigMistakes("reload.yaml", mistakes)).splitlines() == [
        "reload.yaml: 2 fields are wrong. [config-mistakes]",
        "reload.yaml: a: is missing. [config-missing-field]",
        "reload.yaml: b: is odd. [config-value]",
    ]


@pytest.mark.parametrize(
    ("status", "detail", "code"),
    [
        ("could not verify", str(StagingGone("reload 7", "staging.orders_r7")), "staging-gone"),
        ("failed", "10 rows, not 11.", None),
        ("passed", "The source was read again (an earlier pass met [source-unreachable]).", None),
    ],
)
def test_a_check_that_an_error_ended_has_its_code_in_the_metadata(
    status: CheckStatus, detail: str, code: str | None
) -> None:
    reload: Any = SimpleNamespace(reload_id=7)
    result = check_result(AssetKey("orders"), reload, CheckOutcome("row_count", status, True, detail))
    assert {name: value.value for name, value in result.metadata.items()}.get("code") == code


@pytest.mark.parametrize(
    ("said", "secret", "shown"),
    [
        ("invalid dsn: password=hunter-2-is-long", "hunter-2-is-long", "invalid dsn: password=***"),
        # A gap in these words would show what fills it.
        ("password authentication failed", "a", "password authentication failed"),
        ("password authentication failed", "password", "password authentication failed"),
        ("connection to 10.0.0.1 failed", "10.0", "connection to 10.0.0.1 failed"),
        ("connection failed", "", "connection failed"),
    ],
)
def test_a_password_is_taken_out_and_leaves_no_gap_that_shows_it(said: str, secret: str, shown: str) -> None:
    assert without_secret(said, secret) == shown
