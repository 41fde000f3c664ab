"""Writes the page about errors from their classes, so that no code is missing there and no example is made up."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType

from reload_assets.checks.production import DESCRIPTIONS as AFTER_CHECKS
from reload_assets.checks.staging import DESCRIPTIONS as STAGING_CHECKS
from reload_assets.confirm.refusals import newly_followed, one_stays
from reload_assets.dms.codes import LINT_FINDINGS, TASK_FINDINGS
from reload_assets.errors import ReloadError

_AREAS = {
    "config": "reload.yaml",
    "tables": "Tables of reload.yaml",
    "windows": "Windows and requests",
    "target": "The target database",
    "source": "The source",
    "cdc": "The CDC task",
    "dms": "DMS and its load tasks",
    "reloads": "A reload and its ledger",
    "merge": "The merge and the corrections of a confirm",
}

_HEAD = """# Troubleshooting

Written by `reload-assets reference errors`.

Every error is a sentence with its code behind it: `... reload the window again. [staging-gone]`. The sentence names the
thing, the place and the fix. Codes are stable, so that scripts and alerts can match them. The code is in the run's log,
and in

- `admin.reloads`: `error_code`, the code of `error`; `confirm_detail` of a confirm that did not finish ends with one;
- `admin.reload_checks`: `error_code`, where an error kept a check from its end; it is `code` in the check's metadata;
- `admin.window_status`: `error_code` of the latest reload of each window;
- `admin.reload_requests`: `error` ends with it.

An error that quotes another one has its own code last.
"""

_CHECK_ADVICE: Mapping[str, str] = {
    "row_count": "Reload the window; if it lacks rows again, look for filters, masks or errors in the load task's log.",
    "types": "Alter the production column or name it in `ignored_source_columns`, then reload the window.",
    "window_bounds": "Reload the window; somebody wrote into staging, or DMS's filter did not hold.",
    "keys": "Fix the named rows in the source, or the constraint in production, then reload the window.",
    "lob_limit": "Raise `dms.task.lob_limit_kb` above the longest LOB, then reload the window.",
    "staged_in_production": "Reload the window; if a row differs again, look for triggers, or for another writer.",
    "foreign_keys": "Reload the parents' window, or remove the rows.",
    "window_matches_source": "Reload the window; the message names the rows that differ, and on which side they are.",
    "confirmed": "Materialize production of the window once more, without staging.",
}


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *_errors(), *_checks(), *_refusals(), *_findings()])


def leaves(module: ModuleType) -> list[type[ReloadError]]:
    """Return the errors of a module of ``reload_assets.errors`` that are raised, in the order of the file."""
    own = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    return [one for one in own if issubclass(one, ReloadError) and "code" in vars(one)]


def _errors() -> Iterator[str]:
    for area, title in _AREAS.items():
        yield f"## {title}\n"
        for error in leaves(importlib.import_module(f"reload_assets.errors.{area}")):
            when = inspect.cleandoc(error.__doc__ or "")
            example = str(error(**error.example)).replace("\n", "\\\n> ")
            yield f"### {error.code}\n\n{when}\n\n**Fix:** {error.advice}\n\n> {example}\n"


def _checks() -> Iterator[str]:
    yield "## Checks\n"
    yield (
        "A check that fails names counts, keys or columns in its description. `could not verify` is not a failure: the "
        "description says what was lacking.\n"
    )
    yield "| check | it holds if | where it fails |\n|---|---|---|"
    for name, promise in {**STAGING_CHECKS, **AFTER_CHECKS}.items():
        yield f"| `{name}` | {promise} | {_CHECK_ADVICE[name]} |"
    yield ""


def _refusals() -> Iterator[str]:
    yield "## Rows that a confirm could not correct\n"
    yield (
        "A confirm that leaves rows `blocked` says why in `confirm_detail`: the rule of production, the SQLSTATE, "
        "PostgreSQL's own words and what to do. After that, materialize production of the window again, without "
        "staging: the confirm begins anew.\n"
    )
    yield "| reason | what to do |\n|---|---|"
    yield "| `foreign key ...` | Reload the windows of the rows that refer to it, or of the row that it refers to. |"
    yield "| `unique constraint ...`, `exclusion constraint ...` | Reload the window of the row that has the value. |"
    yield (
        "| `NOT NULL column ...`, `check constraint ...`, `rule ...` | Fix the row in the source, or the rule in "
        "production. |"
    )
    yield "| `... row(s) of ... refer to it` | Reload their windows, delete them, or let them refer to another row. |"
    yield f"| `{one_stays('...')}` | Do what the reason at the end says. |"
    yield f"| `{newly_followed()}` | Nothing: it is judged anew. |"
    yield "| `a trigger of production turned it away` | Have the trigger let the login of `target.connection` pass. |\n"


def _findings() -> Iterator[str]:
    yield "## Findings on the CDC task\n"
    yield (
        "Quoted by [cdc-unsuitable](#cdc-unsuitable) and by the warnings in `cdc_remarks` of `admin.reloads`; the "
        "message has the fix.\n"
    )
    yield from _table(TASK_FINDINGS)
    yield "## Findings on a task's mapping and settings\n"
    yield "Quoted by [task-faulty](#task-faulty); the message has the fix.\n"
    yield from _table(LINT_FINDINGS)


def _table(codes: Mapping[str, str]) -> Iterator[str]:
    yield "| code | when |\n|---|---|"
    for code, when in codes.items():
        yield f"| `{code}` | {when} |"
    yield ""
