"""The documentation leads nowhere wrong: links, anchors, names of commands, fragments of reload.yaml, figures."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from reload_assets.cli import main
from reload_assets.config.model import parse_config
from reload_assets_tests.pages import (
    CHECKOUT,
    DOCS,
    FOLLOWED,
    README,
    Block,
    anchors,
    blocks,
    commands,
    links,
    spans,
)

PAGES = [README, CHECKOUT / "CHANGELOG.md", CHECKOUT / "sql" / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMED_PAGE = re.compile(r"\b(?:docs|sql)/[\w/-]+\.md(?:#[\w-]+)?")
LANGUAGES = {"sh", "sql", "yaml", "text"}


def test_every_link_leads_to_a_page_and_a_heading_that_there_are() -> None:
    wrong = []
    for page in PAGES:
        for link in links(page):
            parts = urlsplit(link.target)
            if parts.scheme or link.is_picture:
                continue
            target = (page.parent / parts.path).resolve() if parts.path else page
            if not target.is_file() or (parts.fragment and parts.fragment not in anchors(target)):
                wrong.append(str(link))
    assert wrong == []


def test_every_picture_is_there_and_says_what_one_sees() -> None:
    pictures = [link for page in PAGES for link in links(page) if link.is_picture]
    assert [str(one) for one in pictures if not (one.page.parent / one.target).is_file()] == []
    texts = re.findall(r"!\[(.*)\]\(", "".join(page.read_text(encoding="utf-8") for page in PAGES))
    assert len(texts) == len(pictures)
    assert [text for text in texts if len(text.split()) < 8] == []


def test_every_link_to_another_site_is_encrypted() -> None:
    assert [str(link) for page in PAGES for link in links(page) if link.target.startswith("http:")] == []


def test_code_and_messages_name_pages_that_there_are() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    named: dict[str, str] = {}
    for name in listed.stdout.splitlines():
        file = CHECKOUT / name
        if file.suffix in (".py", ".sql", ".yaml", ".toml") and file.is_file():
            named |= dict.fromkeys(NAMED_PAGE.findall(file.read_text(encoding="utf-8")), name)
    assert named
    wrong = {}
    for page, name in named.items():
        path, _, fragment = page.partition("#")
        if not (CHECKOUT / path).is_file() or (fragment and fragment not in anchors(CHECKOUT / path)):
            wrong[page] = name
    assert wrong == {}


def test_the_index_lists_every_page() -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / link.target).resolve() for link in links(index)}
    assert [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page not in (index, *listed)] == []


def test_every_how_to_is_in_the_readme() -> None:
    listed = {(CHECKOUT / link.target).resolve() for link in links(README)}
    assert [page.name for page in FOLLOWED if page not in (README, *listed)] == []


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_each_block_says_what_it_is(page: Path) -> None:
    assert [str(block) for block in blocks(page) if block.language not in LANGUAGES] == []


def of_command(written: str) -> list[str]:
    """What is wrong with a command of ours, as somebody would write it: its name, its options."""
    words = [word for word in re.split(r"[\s=]+", written) if word]
    command: click.Command = main
    known = {"--config", "--help"}
    rest = words[1:]
    if rest and not rest[0].startswith("-"):
        found = main.commands.get(rest[0])
        if found is None:
            return [f"{written}: there is no command {rest[0]}"]
        command = found
    while isinstance(command, click.Group) and command is not main and len(rest) > 1 and rest[1] in command.commands:
        command, rest = command.commands[rest[1]], rest[1:]
    known |= {name for option in command.params for name in option.opts}
    return [f"{written}: {word} is not an option" for word in rest if word.startswith("--") and word not in known]


def test_the_commands_and_options_that_pages_name_are_there() -> None:
    written = [text for page in PAGES for text in spans(page)]
    written += [line for page in PAGES for block in blocks(page) for line in block.text.splitlines()]
    ours = [text for text in written if re.match(r"(?:\.venv/bin/)?reload-assets [a-z-]", text)]
    assert len(ours) > 20
    assert [said for text in ours for said in of_command(re.sub(r"[#|>].*", "", text))] == []


@pytest.mark.parametrize("written", ["reload-assets check", "reload-assets status --jason"])
def test_a_command_that_there_is_not_is_found(written: str) -> None:
    assert of_command(written)


def test_make_has_the_targets_and_variables_that_pages_name() -> None:
    rules = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", rules, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", rules, re.MULTILINE))
    written = [text for page in PAGES for text in spans(page) if text.startswith("make ")]
    written += [line for page in PAGES for block in blocks(page, "sh") for line in commands(block)]
    asked = [text.split()[1:] for text in written if text.startswith("make ")]
    assert len(asked) > 8
    assert {words[0] for words in asked} <= targets
    assert {word.partition("=")[0] for words in asked for word in words[1:] if "=" in word} <= variables


def merged(below: Any, above: Any) -> Any:
    """A mapping with another one laid over it, level by level."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{name: merged(below.get(name), value) for name, value in above.items()}}


@pytest.mark.parametrize("block", [one for page in FOLLOWED for one in blocks(page, "yaml")], ids=str)
def test_a_fragment_of_reload_yaml_is_accepted(block: Block) -> None:
    fragment = yaml.safe_load(block.text)
    if "source" not in fragment:
        ours = yaml.safe_load((CHECKOUT / "reload.yaml").read_text(encoding="utf-8"))
        fragment = merged(ours, fragment)
    parse_config(yaml.safe_dump(fragment), "reload.yaml")


STRATEGIES = {
    "lower bound: upsert of rows that are known to differ": "limit",
    "floor: one index probe per row, then that upsert": "floor",
    "reload_assets, atomic": "atomic",
    "reload_assets, chunked": "chunked",
    "update newer rows, then insert missing ones": "seed",
    "upsert of every row, guarded": "upsert",
    "MERGE, guarded": "merge",
    "dlt, upsert": "dlt_upsert",
    "dlt, delete-insert": "dlt_delete_insert",
}


def rows(page: Path, head: str) -> list[list[str]]:
    """The rows of the table whose first cell of the head this is."""
    (table,) = re.findall(
        rf"^\| {re.escape(head)} \|.*\n\|[-:| ]+\|\n((?:\|.*\n)+)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def measured(beside_cdc: bool) -> dict[str, list[dict[str, Any]]]:
    """The recorded runs of the case that the pages show, by strategy."""
    found = json.loads((CHECKOUT / "benchmarks" / "results" / "latest.json").read_text(encoding="utf-8"))
    (case,) = (
        one
        for one in found["merges"]
        if (one["production"], one["window"], one["beside_cdc"]) == (5_000_000, 500_000, beside_cdc)
    )
    assert case["mix"] == "80/10/5/5"
    by: dict[str, list[dict[str, Any]]] = {}
    for run in case["runs"]:
        by.setdefault(run["strategy"], []).append(run)
    return by


@pytest.mark.parametrize("page", [README, DOCS / "performance.md"], ids=lambda page: page.stem)
def test_the_seconds_of_a_merge_are_those_of_the_record(page: Path) -> None:
    record = measured(beside_cdc=False)
    lowest = median(run["seconds"] for run in record["limit"])
    for title, seconds, ratio, wal, audit, result in rows(page, "nobody else writes"):
        runs = record[STRATEGIES[title]]
        middle = median(run["seconds"] for run in runs)
        assert (seconds, ratio) == (f"{middle:.2f}", f"{middle / lowest:.1f}"), title
        assert wal == f"{median(run['wal_bytes'] for run in runs) / 1e6:.0f}", title
        assert audit == ("yes" if title.startswith("reload_assets") else "no"), title
        older = max(run["wrong"].get("older", 0) for run in runs)
        assert result == (f"{older:,} rows older" if older else "right"), title


@pytest.mark.parametrize("page", [README, DOCS / "performance.md"], ids=lambda page: page.stem)
def test_the_delays_of_cdc_are_those_of_the_record(page: Path) -> None:
    record = measured(beside_cdc=True)
    for title, delay, failed, lost in rows(page, "beside a CDC writer"):
        runs = record[STRATEGIES[title]]
        usual = median(run["cdc_p99_ms"] for run in runs)
        assert delay == f"{usual:.0f} / {max(run['cdc_max_ms'] for run in runs):.0f}", title
        assert failed.startswith(f"{sum(bool(run['error']) for run in runs)} of {len(runs)}"), title
        assert lost == str(sum(sum(run["cdc_errors"].values()) for run in runs)), title


def seconds_of(part: str) -> dict[str, float]:
    """The medians of a part of the recorded run, by what was measured."""
    found = json.loads((CHECKOUT / "benchmarks" / "results" / "latest.json").read_text(encoding="utf-8"))
    return {name: median(seconds) for name, seconds in found[part]["seconds"].items()}


def test_the_seconds_of_comparisons_and_repairs_are_those_of_the_record() -> None:
    page = DOCS / "performance.md"
    compared, repaired = seconds_of("verification"), seconds_of("repair")
    for title, seconds, ratio in rows(page, "a window on both sides"):
        middle = compared[title]
        assert (seconds, ratio) == (f"{middle:.2f}", f"{middle / compared['read both sides']:.1f}"), title
    for title, seconds in rows(page, "100 damaged rows"):
        assert seconds == f"{repaired[title]:.2f}", title
    assert f"takes {compared['look for drift'] * 2:.1f} s per million rows" in page.read_text(encoding="utf-8")
