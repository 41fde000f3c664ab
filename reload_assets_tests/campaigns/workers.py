"""Runs the jobs of a campaign in worker processes, each with servers of its own."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue

from reload_assets.local.postgres import die_with_parent
from reload_assets_tests.campaigns.bench import Bench
from reload_assets_tests.campaigns.run import Result, run_once
from reload_assets_tests.campaigns.settings import Job

_PATIENCE_SECONDS = 300.0
"""Without a result for so long, a worker hangs or has died."""

_END_SECONDS = 30.0


@dataclass(frozen=True)
class Broken:
    """A run that the harness could not bring to its end, and why."""

    job: Job
    trace: str


def run_all(jobs: Sequence[Job], workers: int) -> Iterator[Result | Broken]:
    """Yield the results as they come. Raises RuntimeError if a worker died and no more results come."""
    context = multiprocessing.get_context("spawn")
    todo: Queue[Job | None] = context.Queue()
    done: Queue[Result | Broken] = context.Queue()
    for job in [*jobs, *[None] * workers]:
        todo.put(job)
    # Not daemons: they stop their servers themselves.
    processes = [context.Process(target=_work, args=(todo, done)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        for _ in jobs:
            yield done.get(timeout=_PATIENCE_SECONDS)
        for process in processes:
            process.join()
    except queue.Empty:
        raise RuntimeError(f"No run has ended for {_PATIENCE_SECONDS:.0f} s.") from None
    finally:
        for process in processes:
            process.terminate()
            process.join(_END_SECONDS)
            process.kill()


def _work(todo: Queue[Job | None], done: Queue[Result | Broken]) -> None:
    logging.basicConfig()
    # For all loggers, also those of libraries that set a level of their own.
    logging.disable(logging.WARNING)
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        # The process stops its servers even if it is terminated, interrupted or orphaned. An exit raised in a finalizer
        # is lost, and there may be nobody to take the results.
        ended.set()
        done.cancel_join_thread()
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    die_with_parent(signal.SIGTERM)
    with Bench() as bench:
        while not ended.is_set() and (job := todo.get()) is not None:
            try:
                done.put(run_once(bench, job))
            except Exception:
                done.put(Broken(job, traceback.format_exc()))
