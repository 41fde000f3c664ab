"""``python -m reload_assets_tests.campaigns --runs 200``: exit status 0 where ours kept every promise."""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time
from collections.abc import Sequence

from reload_assets_tests.campaigns import report
from reload_assets_tests.campaigns.run import Result
from reload_assets_tests.campaigns.settings import MODES, POLICIES, Job, list_jobs
from reload_assets_tests.campaigns.workers import Broken, run_all

_PROGRESS_EVERY = 20
_MOST_BROKEN = 5
"""Runs that the harness could not end, after which the campaign gives up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, or one run again."""
    parser = argparse.ArgumentParser(prog="python -m reload_assets_tests.campaigns", description=__doc__)
    parser.add_argument("--runs", type=int, help="runs of ours (200; with --replay, how often: 1)")
    parser.add_argument("--seed", default="random", help="the campaign's seed (any word; by default a new one)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (2)")
    parser.add_argument("--mode", choices=MODES, help="only this way to reload")
    parser.add_argument("--policy", choices=POLICIES, help="only these apply policies of CDC")
    parser.add_argument(
        "--world", help="the world of all runs, such as lob=CLOB,orphans=report: all else is plain (by default drawn)"
    )
    parser.add_argument("--replay", metavar="SEED", help="one run again, by its own seed; wants --mode and --policy")
    given = parser.parse_args(arguments)
    if given.replay:
        if not (given.mode and given.policy):
            parser.error("--replay wants --mode and --policy")
        jobs = [Job(given.mode, given.policy, given.replay, given.world)] * (given.runs or 1)
    else:
        seed = secrets.token_hex(4) if given.seed == "random" else given.seed
        _say(f"campaign seed {seed}")
        jobs = [
            job
            for job in list_jobs(given.runs or 200, seed, given.world)
            if given.mode in (None, job.mode) and given.policy in (None, job.policy)
        ]
        random.Random(seed).shuffle(jobs)
    return _run(jobs, min(given.workers, len(jobs)))


def _run(jobs: Sequence[Job], workers: int) -> int:
    began = time.monotonic()
    results: list[Result] = []
    broken = 0
    for number, result in enumerate(run_all(jobs, workers), start=1):
        if isinstance(result, Broken):
            broken += 1
            _say(report.broken(result.job, result.trace))
            if broken == _MOST_BROKEN:
                break
        else:
            results.append(result)
            if not result.consistent and (MODES[result.job.mode].ours or len(jobs) == 1):
                _say(report.failure(result))
        if number % _PROGRESS_EVERY == 0:
            _say(f"{number} of {len(jobs)} runs, {time.monotonic() - began:.0f} s")
    _say(report.table(results))
    line, proved = report.summary(results)
    _say(f"{broken} runs broke in the harness itself\n{line}" if broken else line)
    return 0 if proved and not broken else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
