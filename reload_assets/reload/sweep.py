"""Cleans what dead runs left behind: stopped CDC tasks, DMS load tasks, reloads that nobody resumes.

A reload clears up after itself, however its run ends. A process that is killed cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from reload_assets.cdc.fence import resume_left_stopped
from reload_assets.dms.cdc import CdcTask
from reload_assets.ledger.records import TAG_PREFIX, Reload
from reload_assets.reload.load import describe
from reload_assets.reload.remains import Remains


@dataclass
class Swept:
    """What a sweep did, and what it could not clean; sentences."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def sweep(remains: Remains, cdc_tasks: Sequence[CdcTask], run_is_live: Callable[[str], bool]) -> Swept:
    """Clean what runs left behind that are not live, and go on after a failure.

    CDC tasks first, because production stands still without them. A verified reload and a merge in chunks stay as they
    are: whoever materializes production of the window resumes them. ``run_is_live`` must be true for every run
    that may still be at work.
    """
    swept = Swept()
    report = remains.say

    def say(text: str) -> None:
        swept.done.append(text)
        report(text)

    remains = replace(remains, say=say)
    ledger = remains.ledger
    for task in cdc_tasks:
        with _going_on(swept, f"the CDC task {task.arn}"):
            resume_left_stopped(task, remains.target, ledger, run_is_live, say)
    with _going_on(swept, "the reloads of dead runs"):
        for reload_id, run_id in ledger.find_left():
            if not run_is_live(run_id):
                with _going_on(swept, f"reload {reload_id}"):
                    remains.close(ledger.get(reload_id))
    with _going_on(swept, "the DMS tasks of dead runs"):
        for arn, tags in remains.tasks.find_reloads().items():
            reload = _owner(remains, arn, tags)
            if reload is not None and not run_is_live(reload.run_id):
                with _going_on(swept, f"the DMS task {arn} of {reload.title}"):
                    remains.remove_task(reload, arn)
    return swept


@contextmanager
def _going_on(swept: Swept, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        swept.left.append(f"{what}: {describe(error)}")


def _owner(remains: Remains, arn: str, tags: dict[str, str]) -> Reload | None:
    """The reload of a task; None where it is of another ledger, which may count its reloads alike."""
    reload_id = tags.get(f"{TAG_PREFIX}reload_id", "")
    reload = remains.ledger.find(int(reload_id)) if reload_id.isdecimal() else None
    return reload if reload is not None and (reload.task_arn == arn or reload.tags.items() <= tags.items()) else None
