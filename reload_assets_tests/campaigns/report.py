"""The report at the end of a campaign: a table of all ways to reload, and one line about ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reload_assets_tests.campaigns.run import Result
from reload_assets_tests.campaigns.settings import BASELINES, MODES, POLICIES, Job

ENOUGH_RUNS = 10
"""Runs of a baseline after which it must have shown a fault, or the campaign is not hard enough to prove anything."""

_HEAD = (
    "mode",
    "policy",
    "runs",
    "inconsistent",
    "zombie rows",
    "stale rows",
    "lost rows",
    "of them outside",
    "worse rows",
    "audit",
    "leftovers",
    "retries",
    "gave up",
)


def failure(result: Result) -> str:
    """An inconsistent run, with the command that runs it again."""
    job = result.job
    lines = [
        f"FAILED {job.mode}, {job.policy} policies, seed {job.seed}",
        f"  in a world: {result.world}",
        f"  {_again(job)}",
    ]
    lines += [f"  {said}" for said in (*result.leftovers, *result.given_up)]
    lines += [f"  {line}" for line in result.story.splitlines()]
    return "\n".join(lines)


def broken(job: Job, trace: str) -> str:
    """A run that the harness itself could not bring to its end."""
    return f"BROKEN {job.mode}, {job.policy} policies, seed {job.seed}\n  {_again(job)}\n{trace}"


def table(results: Sequence[Result]) -> str:
    """All modes and policies side by side."""
    lines: list[tuple[str, ...]] = [_HEAD]
    for mode in MODES.values():
        for policy in POLICIES:
            runs = [one for one in results if (one.job.mode, one.job.policy) == (mode.name, policy)]
            if not runs:
                continue
            kinds = Counter(fault.kind for one in runs for fault in one.rows)
            numbers = (
                len(runs),
                sum(not one.consistent for one in runs),
                kinds["zombie"],
                kinds["stale"],
                kinds["lost"],
                sum(fault.outside for one in runs for fault in one.rows),
                sum(fault.worse for one in runs for fault in one.rows),
                sum(len(one.audit) for one in runs),
                sum(len(one.leftovers) for one in runs),
                sum(len(one.retries) for one in runs),
                sum(len(one.given_up) for one in runs),
            )
            lines.append((mode.title, policy, *map(str, numbers)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def summary(results: Sequence[Result]) -> tuple[str, bool]:
    """The last line, and whether the campaign proved what it was made for."""
    ours = [one for one in results if MODES[one.job.mode].ours]
    wrong = sum(not one.consistent for one in ours)
    worse = sum(fault.worse for one in ours for fault in one.rows)
    lines = [f"ours: {len(ours)} runs, {wrong} inconsistent, {worse} worse than no reload"]
    proved = not wrong
    for name in BASELINES:
        runs = [one for one in results if one.job.mode == name]
        if len(runs) >= ENOUGH_RUNS and all(one.consistent for one in runs):
            lines.insert(0, f"{MODES[name].title}: no fault in {len(runs)} runs, so this campaign proves nothing")
            proved = False
    return "\n".join(lines), proved


def _again(job: Job) -> str:
    chosen = f"--replay {job.seed} --mode {job.mode} --policy {job.policy}"
    world = "" if job.world is None else f" --world '{job.world}'"
    return f"again: python -m reload_assets_tests.campaigns {chosen}{world}"
