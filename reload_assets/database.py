"""Connections to the target database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets.errors import DatabaseUnreachable

CONNECT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Target:
    """Where production is and how to log in; the password shows up nowhere."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def connect(self, *, autocommit: bool = False) -> Connection[Any]:
        """A new connection; the caller closes it. Raises DatabaseUnreachable."""
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
                # Timestamps of the ledger are compared and shown in UTC, whatever the server's default.
                options="-c TimeZone=UTC",
            )
        except psycopg.OperationalError as error:
            reason = str(error).replace(self.password, "***").strip().splitlines()[-1]
            raise DatabaseUnreachable(
                f"target.connection: cannot log in to PostgreSQL as {self} ({reason}); check the server, the address "
                "and the password's variable or secret."
            ) from None
