"""Connections to the target database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets.errors.target import DatabaseUnreachable

CONNECT_TIMEOUT_SECONDS = 10
# Either side gives up a peer that is cut off after half a minute. The session ends then, and its locks with it. The
# defaults of operating systems are hours.
_KEEPALIVES = {"idle": 10, "interval": 5, "count": 4}
_UNANSWERED_MS = 30_000
_SERVER_SETTINGS = {
    # Timestamps of the ledger are compared and shown in UTC, regardless of the server's default.
    "TimeZone": "UTC",
    **{f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVES.items()},
    "tcp_user_timeout": str(_UNANSWERED_MS),
    # The server ends a running statement too, and not only an idle session, if its client has gone.
    "client_connection_check_interval": "1s",
}


@dataclass(frozen=True)
class TargetDatabase:
    """Where production is and how to log in. The password does not appear in its repr or in errors."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def connect(self, *, autocommit: bool = False) -> Connection[Any]:
        """Return a new connection; the caller closes it. Raises DatabaseUnreachable."""
        try:
            return psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.user,
                password=self.password,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name="reload_assets",
                autocommit=autocommit,
                options=" ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items()),
                tcp_user_timeout=_UNANSWERED_MS,
                keepalives_idle=_KEEPALIVES["idle"],
                keepalives_interval=_KEEPALIVES["interval"],
                keepalives_count=_KEEPALIVES["count"],
            )
        except psycopg.OperationalError as error:
            reason = str(error).replace(self.password, "***").strip().splitlines()[-1]
            raise DatabaseUnreachable(str(self), reason) from None
