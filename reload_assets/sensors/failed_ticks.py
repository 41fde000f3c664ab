"""What the Dagster UI shows of a sensor's tick that failed: one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from dagster._core.errors import DagsterUserCodeProcessError
from dagster._utils.error import SerializableErrorInfo

from reload_assets.errors import ReloadError
from reload_assets.reload.failures import describe


@contextmanager
def readable_ticks() -> Iterator[None]:
    """Show only the error's sentence of a tick that fails, neither our frames nor Dagster's.

    Dagster wraps every other exception, and shows the frames of its own code above it. This one stands for an error
    that another process reported, and is shown as that process worded it.
    """
    try:
        yield
    except (ReloadError, psycopg.Error) as error:
        sentence = SerializableErrorInfo(message=f"{describe(error)}\n", stack=[], cls_name=type(error).__name__)
        raise DagsterUserCodeProcessError.from_error_info(sentence) from None
