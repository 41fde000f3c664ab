"""Connects the steps of a load with Dagster's ops, and cleans up when one of them does not finish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from dagster import DagsterInstance, OpExecutionContext, RetryRequested
from dagster._core.execution.plan.objects import StepFailureData

from reload_assets.errors import DmsUnreachable, ReloadError
from reload_assets.reload.failures import ReadableError, describe
from reload_assets.reload.load import Load
from reload_assets.run_process import has_died

RETRIES = 3
RETRY_DELAY_SECONDS = 5


def run_is_live(instance: DagsterInstance, own_run_id: str, run_id: str) -> bool:
    """Return whether another run may still be working on its reload."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.run_id != own_run_id and not run.is_finished and not has_died(run.tags)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Show the user of the UI only the error's sentence."""
    try:
        yield
    except (ReloadError, psycopg.Error) as error:
        raise ReadableError(describe(error)) from None


def said_by(failure: StepFailureData) -> str:
    """Return the sentence that ended a step; of an error that is not ours, all that Dagster shows."""
    cause = failure.error.cause if failure.error else None
    if cause is not None and cause.cls_name == ReadableError.__name__:
        return cause.message.partition(": ")[2].strip() + "".join(cause.stack)
    return failure.error_display_string


@contextmanager
def giving_up_on_failure(context: OpExecutionContext, load: Load, reload_id: int) -> Iterator[None]:
    """Before a failed or cancelled step ends, stop and delete its DMS task and note that in the ledger.

    The step is retried only if DMS did not answer; then the task is left alone, so that the retry can attach to it. The
    retry is requested here and not by a policy of the op, because Dagster follows a policy even when the run is
    cancelled.
    """
    try:
        yield
    except DmsUnreachable as error:
        sentence = ReadableError(str(error))
        if context.retry_number < RETRIES:
            raise RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_DELAY_SECONDS) from sentence
        load.sweeper.give_up(reload_id, "failed", str(error))
        raise sentence from None
    except (ReloadError, psycopg.Error) as error:
        load.sweeper.give_up(reload_id, "failed", describe(error))
        raise ReadableError(describe(error)) from None
    except Exception as error:
        load.sweeper.give_up(reload_id, "failed", describe(error))
        raise
    except BaseException:
        # When a run is cancelled, Dagster interrupts its step with a BaseException that is not an Exception.
        load.sweeper.give_up(reload_id, "cancelled", f"Run {context.run_id} was cancelled.")
        raise
