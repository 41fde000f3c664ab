"""What all steps of a group's reload need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from reload_assets.cdc.position import Cdc
from reload_assets.config.model import ReloadConfig
from reload_assets.dms.tasks import LoadTasks
from reload_assets.engines.dms_task import DmsEngine
from reload_assets.ledger.ledger import Ledger
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import dms_engine

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class Steps:
    """The base class of steps of a reload, over one configuration, one target and one DMS client.

    ``cdc`` is None if no CDC task is configured; ``open_source`` returns None if no source connection is. ``say``
    reports progress to the log of the run.
    """

    config: ReloadConfig
    target: TargetDatabase
    ledger: Ledger
    tasks: LoadTasks
    cdc: Cdc | None
    open_source: Callable[[], SourceReader | None]
    say: Callable[[str], None]

    @cached_property
    def engine(self) -> DmsEngine:
        """The engine that has DMS load rows of the source."""
        return dms_engine(self.config)

    def source(self) -> AbstractContextManager[SourceReader | None]:
        """Open a reader of the source for a ``with`` block."""
        return opened(self.open_source)


@contextmanager
def opened(open_source: Callable[[], SourceReader | None]) -> Iterator[SourceReader | None]:
    """Open a reader of the source, and close it at the end; None if no source connection is configured."""
    reader = open_source()
    try:
        yield reader
    finally:
        if reader is not None:
            reader.close()
