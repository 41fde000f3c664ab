"""The rules that every file of the repository keeps."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reload_assets.confirm.verdicts import Correction, Verdict
from reload_assets.merge import Outcomes
from reload_assets.postgres.statements import sections
from reload_assets_tests.sql_files import NAMES, written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "reload_assets"

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MAX_LINES = 450
MAX_SQL_FILES = 75
MAX_BY_HAND = 120

# These need a database at most, so their tests need no Dagster.
WITHOUT_DAGSTER = (
    "canonical",
    "cdc",
    "compare",
    "config",
    "confirm",
    "dms",
    "engines",
    "errors",
    "finders",
    "ledger",
    "merge",
    "notify",
    "postgres",
    "proposal",
    "reload",
    "source",
    "verify",
)

# Each of these gets only its part of the configuration, from reload/parts.py or from the caller that reads the file.
BELOW_RELOAD = (
    *(layer for layer in WITHOUT_DAGSTER if layer not in ("config", "reload")),
    "errors",
    "keys",
    "resolved",
    "retries",
    "soft_delete",
    "tables",
    "windows",
)

# The machine's configuration decides where packages come from. A file that names an index works on one machine only.
PACKAGE_INDEX = re.compile(r"https?://\S*[/]simple\b|--(?:extra-)?index[-]url|--find[-]links", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.~*])/(?:work|root|home)/\w")
LOCK_FILE = re.compile(r"(?:^|/)(?:[^/]+\.lock|package-lock\.json|pnpm-lock\.yaml)$")

# See docs/glossary.md, the page that has to name them.
AMERICAN = re.compile(
    r"(?<!`)\b(?:behavior|color|center|favor|judgment|canceled|labeled|modeled|organiz\w+|recogniz\w+)\b"
)
COUNTED = (
    r"(?:asset|attempt|batch|call|chunk|column|commit|error|file|group|index|key|line|module|order|partition|pass|piece"
    r"|probe|process|reload|row|run|segment|server|session|side|statement|table|task|test|transaction|window|worker)"
)
UNUSED_WORDS = re.compile(
    r"\bmend(?:s|ed|ing)?\b|\bput(?:s|ting)? (?:(?:it|them|\w+ rows?) )?right\b"
    r"|\bpass(?:ed|es) (?:(?:it|them|this one|that one|the \w+) )?over\b|\banew\b|\bafresh\b"
    r"|\b(?:go(?:es|ne|ing)?|went) on with\b|\bcomes? to (?:its|an) end\b|\bfor want of\b|\bwhatever dies\b"
    r"|\b(?:a|the|each|every|next|last|first|its|one) look\b|\b(?:two|keep|\d+) looks\b|\bthe guides'?\b"
    r"|\btold\b|\bbut for\b|\bst(?:ands?|ood|anding) still\b"
    # 'There is no X', and comparisons such as 'is no longer', are fine.
    r"|(?<!there )\b(?:is|are|was|were) no (?!(?:longer|more|less|one|further|other|such|better|worse)\b)[\w`']+"
    # 'Twice a second' and other rates in time are fine. So are 'in which part of a table a row lies' and 'once a row is
    # there'.
    rf"|(?<!of )\b(?:one|two|three|four|each|an?|few|some|several|\d+) {COUNTED}s? an? {COUNTED}\b"
    rf"|\bonce an? {COUNTED}\b(?=\s*[,.;:)])",
    re.IGNORECASE,
)

PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[^\s;@]+( ; [a-z_]+ .+)?")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git tracks and the work tree still has."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if listed.returncode != 0 or not listed.stdout:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := CHECKOUT / name).is_file()]


def lines_that_match(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def imported(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, at any place in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = path.relative_to(CHECKOUT).parent.parts
            parent = ".".join(folder[: len(folder) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (parent, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def layer_files(layer: str) -> list[Path]:
    return [*(PACKAGE / layer).rglob("*.py"), *PACKAGE.glob(f"{layer}.py")]


def imports_of(files: list[Path], unwanted: str) -> list[str]:
    return [
        f"{path.relative_to(CHECKOUT)}: {name}"
        for path in files
        for name in imported(path)
        if re.match(rf"{re.escape(unwanted)}(?:[._]|$)", name)
    ]


def pins(python: str) -> dict[str, str]:
    """Name -> version of constraints.txt for one version of Python on Linux."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    found: dict[str, str] = {}
    for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"constraints.txt pins {name} twice for Python {python}"
            found[name] = str(requirement.specifier).removeprefix("==")
    return found


def required() -> list[Requirement]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
    ]
    requirements = [Requirement(text) for texts in lists for text in texts]
    return [requirement for requirement in requirements if requirement.name != project["project"]["name"]]


def test_no_file_names_a_package_index(tracked: list[Path]) -> None:
    assert lines_that_match(PACKAGE_INDEX, tracked) == []


def test_no_file_names_a_folder_of_one_machine(tracked: list[Path]) -> None:
    assert lines_that_match(MACHINE_PATH, tracked) == []


def test_no_lock_file_is_tracked(tracked: list[Path]) -> None:
    names = [path.relative_to(CHECKOUT).as_posix() for path in tracked]
    assert [name for name in names if LOCK_FILE.search(name)] == []


def test_no_python_file_is_too_long_to_read(tracked: list[Path]) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in tracked if path.suffix == ".py"}
    assert {str(path.relative_to(CHECKOUT)): lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_statement_says_what_it_is_for() -> None:
    silent = [name for name in NAMES if not re.match(r"--\s*\S", written(name))]
    silent += [
        f"{name}:{section}"
        for name in NAMES
        for section, statement in sections(name).items()
        if section and not re.match(r"--\s*\S", statement)
    ]
    assert silent == []


def test_the_statements_stay_few_files_that_are_easily_run_by_hand() -> None:
    assert 0 < len(NAMES) <= MAX_SQL_FILES
    lines = [f"{name}: {line}" for name in NAMES for line in written(name).splitlines() if "By hand" in line]
    assert [line for line in lines if len(line.partition(": ")[2]) > MAX_BY_HAND] == []


def test_the_page_about_the_statements_lists_each_file_with_its_statements_in_their_order() -> None:
    page = (CHECKOUT / "sql" / "README.md").read_text(encoding="utf-8")
    rows: list[tuple[str, str]] = re.findall(r"^\| `([\w/]+)` \| (.+) \|$", page, re.MULTILINE)
    # Rows about pieces have no folder in their first cell.
    listed = [name for name, _ in rows if name in NAMES or "/" in name]
    assert sorted(listed) == NAMES
    for folder in map(folder_of, NAMES):
        steps = [name for name in listed if folder_of(name) == folder and re.search(r"/\d", name)]
        assert steps == sorted(steps)
    for name, cell in rows:
        if name in NAMES and "" not in sections(name):
            named = re.findall(r"`(\w+)`", cell)
            assert [word for word in named if word in sections(name)] == list(sections(name)), name
            # A step may say which statements of its neighbours run within it.
            beside = {one for other in NAMES if folder_of(other) == folder_of(name) for one in sections(other)}
            assert set(named) - beside == set(), name


def test_the_page_about_the_statements_describes_pieces_that_there_are() -> None:
    page = (CHECKOUT / "sql" / "README.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| piece.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    cells = [row.split(" | ")[0] for table in tables for row in table.splitlines()]
    described = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    examples = (CHECKOUT / "sql" / "example.psql").read_text(encoding="utf-8")
    known = set(re.findall(r"^\\set (\w+)", examples, re.MULTILINE))
    assert len(described) > 100
    assert [name for name in described if name not in known] == []


def test_the_code_names_every_statement_and_none_that_there_is_not() -> None:
    texts = {
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    literals = {text for text in texts if re.fullmatch(r"[\w/]+:\w+", text)}
    statements = {f"{name}:{section}" for name in NAMES for section in sections(name) if section}
    # The module of a step may leave out the folder.
    found = {name: {literal for literal in literals if f"/{name}".endswith(f"/{literal}")} for name in statements}
    assert [name for name, literal in found.items() if not literal] == []
    known = set().union(*found.values())
    places = {*NAMES, *(name.rpartition("/")[2] for name in NAMES)}
    folders = set(map(folder_of, NAMES)) - {""}
    suspected = {name for name in literals if name.partition(":")[0] in places or folder_of(name) in folders}
    assert suspected - known == set()
    # A file without sections is named by itself.
    whole = {text for text in texts if re.fullmatch(r"\w+/\w+", text) and text.partition("/")[0] in folders | places}
    assert {name for name in whole if name not in NAMES or "" not in sections(name)} == set()


def test_nobody_uses_a_word_that_the_glossary_replaces(tracked: list[Path]) -> None:
    readable = [path for path in tracked if path.suffix in (".py", ".sql", ".md", ".yaml", ".svg")]
    exempt = {CHECKOUT / "docs" / "glossary.md", Path(__file__).resolve()}
    assert lines_that_match(UNUSED_WORDS, [path for path in readable if path not in exempt]) == []


@pytest.mark.parametrize(
    "text",
    [
        "mends it",
        "puts them right again",
        "CDC passes the customer over",
        "opened anew",
        "gone on with",
        "comes to its end",
        "for want of a key",
        "whatever dies",
        "the next look finds it",
        "is told in one sentence",
        "all but for one",
        "the task stands still",
        "'x' is no TCP port",
        "one row a reload",
        "made once a run, and kept",
    ],
)
def test_a_word_that_the_glossary_replaces_is_found(text: str) -> None:
    assert UNUSED_WORDS.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "there is no TCP port",
        "it is no longer there",
        "a pass over all keys",
        "one row per reload",
        "twice a second",
        "in which part of a table a row lies",
        "once a row is locked",
        "each step looks at production",
    ],
)
def test_words_that_only_look_like_those_are_fine(text: str) -> None:
    assert not UNUSED_WORDS.search(text)


def test_pages_are_spelled_in_one_way(tracked: list[Path]) -> None:
    pages = [path for path in tracked if path.suffix == ".md" and path != CHECKOUT / "docs" / "glossary.md"]
    assert pages
    assert lines_that_match(AMERICAN, pages) == []


def test_the_glossary_names_the_verdicts_and_outcomes_that_there_are() -> None:
    page = (CHECKOUT / "docs" / "glossary.md").read_text(encoding="utf-8")
    outcomes = {field.name for field in fields(Outcomes)}
    assert {name for name in outcomes if not re.search(rf"^\| outcome .*\b{name}\b", page, re.MULTILINE)} == set()
    for word, members in (("verdict (of a key)", Verdict), ("correction", Correction)):
        named = re.search(rf"^\| {re.escape(word)} \|.*: (.*) \|$", page, re.MULTILINE)
        assert named is not None
        assert re.split(", | or ", named[1]) == [member.value for member in members]


def test_the_glossary_has_each_word_once() -> None:
    page = (CHECKOUT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)
    assert len(words) > 40
    assert [word for word, times in Counter(words).items() if times > 1] == []


def test_constraints_are_plain_pins() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_every_required_package_is_pinned_within_its_range(python: str) -> None:
    pinned = pins(python)
    wanted = [(requirement, pinned.get(canonicalize_name(requirement.name))) for requirement in required()]
    assert wanted
    assert [str(wish) for wish, version in wanted if version is None or not wish.specifier.contains(version)] == []


def test_only_the_embedded_stack_and_tests_import_the_embedded_stack() -> None:
    production = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "local"]
    assert production
    assert imports_of(production, "reload_assets.local") == []


def test_layers_below_the_assets_name_no_dagster() -> None:
    files = [path for layer in WITHOUT_DAGSTER for path in layer_files(layer)]
    assert files
    assert imports_of(files, "dagster") == []


def test_layers_below_the_reload_do_not_see_the_whole_configuration() -> None:
    files = [path for layer in BELOW_RELOAD for path in layer_files(layer)]
    assert {"cdc", "verify"} <= {path.parent.name for path in files}
    assert lines_that_match(re.compile(r"\bReloadConfig\b|\bload_config\b"), files) == []


def test_layers_below_the_assets_load_no_dagster_through_others() -> None:
    paths = [path.relative_to(CHECKOUT).with_suffix("") for layer in WITHOUT_DAGSTER for path in layer_files(layer)]
    modules = sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)
    script = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
    assert "dagster" not in sys.modules, name + " loads dagster"
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
