"""Gives the steps of a load to Dagster's ops, and clears up whenever one of them does not finish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from dagster import DagsterInstance, Failure, OpExecutionContext, RetryRequested

from reload_assets.errors import DmsUnreachable, ReloadError
from reload_assets.reload.failures import describe
from reload_assets.reload.load import Load

RETRIES = 3
RETRY_DELAY_SECONDS = 5


def run_is_live(instance: DagsterInstance, own_run_id: str, run_id: str) -> bool:
    """Return whether another run may still be working on its reload."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.run_id != own_run_id and not run.is_finished


@contextmanager
def readable_errors() -> Iterator[None]:
    """Show a user the sentence alone, without a retry: trying the same again would give the same."""
    try:
        yield
    except ReloadError as error:
        raise Failure(description=str(error), allow_retries=False) from None
    except psycopg.Error as error:
        raise Failure(description=describe(error), allow_retries=False) from None


@contextmanager
def giving_up_on_failure(context: OpExecutionContext, load: Load, reload_id: int) -> Iterator[None]:
    """Before a failed or cancelled step ends, stop and delete its DMS task and say so in the ledger.

    Only a DMS that did not answer is worth another try: the task is left alone then, for the retry to attach to. The
    retry is asked for here, and not by a policy of the op, because Dagster would follow a policy when the run is
    cancelled, too.
    """
    try:
        yield
    except DmsUnreachable as error:
        if context.retry_number < RETRIES:
            raise RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_DELAY_SECONDS) from error
        load.sweeper.give_up(reload_id, "failed", str(error))
        raise Failure(description=str(error), allow_retries=False) from None
    except (ReloadError, psycopg.Error) as error:
        load.sweeper.give_up(reload_id, "failed", describe(error))
        raise Failure(description=describe(error), allow_retries=False) from None
    except Exception as error:
        load.sweeper.give_up(reload_id, "failed", describe(error))
        raise
    except BaseException:
        # Dagster interrupts a step with a BaseException that is not an Exception when its run is cancelled.
        load.sweeper.give_up(reload_id, "cancelled", f"Run {context.run_id} was cancelled.")
        raise
