"""Reads of a range of time that Oracle may not be able to finish: they are done again in halves.

A read shows what was committed when it began. Where it takes long and much is written meanwhile, Oracle no longer has
the rows of then (ORA-01555). Shorter ranges take less time. Each is consistent in itself.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

from reload_assets.errors.source import SourceSnapshotTooOld

# Of one window column's value, there may be many rows: not everything can be cut.
_SHORTEST = timedelta(seconds=1)
_BYTES_IN_MEMORY = 16 << 20

T = TypeVar("T")


def in_parts(read: Callable[[datetime, datetime], T], start: datetime, end: datetime) -> Iterator[T]:
    """Read ``[start, end)`` at once or, where that takes too long for Oracle, in parts, each with a result of its own.

    Raises SourceUnavailable.
    """
    try:
        found = read(start, end)
    except SourceSnapshotTooOld:
        if end - start <= _SHORTEST:
            raise
    else:
        yield found
        return
    middle = start + (end - start) / 2
    yield from in_parts(read, start, middle)
    yield from in_parts(read, middle, end)


class Rows(AbstractContextManager["Rows"]):
    """Lists of rows that were all read before the first of them is handed out. Many are kept in a file."""

    def __init__(self, lists: Iterable[Sequence[Any]]) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_BYTES_IN_MEMORY)  # noqa: SIM115
        self._lists = 0
        try:
            for rows in lists:
                pickle.dump([tuple(row) for row in rows], self._file)
                self._lists += 1
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[list[tuple[Any, ...]]]:
        self._file.seek(0)
        for _ in range(self._lists):
            yield pickle.load(self._file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
