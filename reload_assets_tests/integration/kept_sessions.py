"""One session for all writes of a bench's ledger, one after the other: to open one takes longer than most writes."""

from __future__ import annotations

import select
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from psycopg import Connection

from reload_assets.postgres.connection import TargetDatabase


class _Kept(Connection[Any]):
    idle: list[Connection[Any]]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_type is None and not self.closed:
            self.idle.append(self)
        else:
            super().__exit__(exc_type, exc_val, exc_tb)


@dataclass(frozen=True)
class KeptSessions(TargetDatabase):
    """Sessions that are asked for in autocommit mode are used again, unless a test has ended them."""

    idle: list[Connection[Any]] = field(default_factory=list, repr=False)

    def connect(self, *, autocommit: bool = False) -> Connection[Any]:
        """Return a session; ``with`` gives it back. Raises TargetError."""
        if not autocommit:
            return super().connect()
        while self.idle:
            kept = self.idle.pop()
            # The server says something to an idle session only when it ends it.
            if not kept.closed and not select.select([kept], [], [], 0)[0]:
                return kept
            kept.close()
        made = super().connect(autocommit=True)
        # Tests count the sessions that a step leaves behind, by their usual name.
        made.execute("SET application_name TO 'kept by a test'")
        made.__class__ = _Kept
        assert isinstance(made, _Kept)
        made.idle = self.idle
        return made

    def close(self) -> None:
        """End the sessions."""
        while self.idle:
            with suppress(Exception):
                self.idle.pop().close()


def keep_sessions(target: TargetDatabase) -> KeptSessions:
    """Return the same target, with sessions that are used again."""
    return KeptSessions(target.host, target.port, target.database, target.user, target.password, target.tls)
