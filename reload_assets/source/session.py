"""A session with the source: how it is opened, and what holds in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

CONNECT_TIMEOUT_SECONDS = 10
# Minutes between the probes of a connection that is idle: a firewall would forget it, or the server may be gone.
_PROBE_MINUTES = 1
ORACLE_SESSION = "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY TIME_ZONE = '+00:00'"
"""A logon trigger or a variable may have texts compared without regard to case, and times read in another zone."""


@dataclass(frozen=True)
class SourceSession:
    """How a session is opened. ``call_timeout_seconds``: how long one call may take, from sending it to its answer.

    ``tls``: oracledb's parameters for an encrypted connection.
    """

    call_timeout_seconds: float = 3600
    tls: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def wallet_password(self) -> str | None:
        """The password of the wallet, if it has one."""
        return self.tls.get("wallet_password")

    @property
    def call_timeout_ms(self) -> int:
        """The same in whole milliseconds."""
        return max(1, round(self.call_timeout_seconds * 1000))

    def connect_args(self, url: sa.URL) -> dict[str, Any]:
        """Return what the driver of a URL is given beside it. What the URL itself says stays."""
        if url.get_backend_name() == "oracle":
            wanted: dict[str, Any] = {"tcp_connect_timeout": CONNECT_TIMEOUT_SECONDS, "expire_time": _PROBE_MINUTES}
        else:
            options = f"-c statement_timeout={self.call_timeout_ms}"
            wanted = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "options": options}
        left = {name: value for name, value in wanted.items() if name not in url.query}
        if self.tls:
            # SQLAlchemy writes an address of its own, which knows no protocol.
            left |= {"dsn": None, "host": url.host, "port": url.port, "service_name": url.query["service_name"]}
        return {**left, **self.tls}

    def set_up(self, url: sa.URL) -> Callable[[Any, object], None]:
        """Return what is done with each new connection of the driver."""

        def oracle(connection: Any, _record: object) -> None:
            connection.outputtypehandler = exact_values
            connection.call_timeout = self.call_timeout_ms
            with connection.cursor() as cursor:
                cursor.execute(ORACLE_SESSION)

        return oracle if url.get_backend_name() == "oracle" else lambda connection, record: None


def exact_values(cursor: Any, metadata: Any) -> Any:
    """oracledb's output type handler: every NUMBER as Decimal, LOBs whole.

    SQLAlchemy's own handler fetches FLOAT and NUMBER with a negative scale as 64-bit floats.
    """
    import oracledb

    wanted: dict[Any, Any] = {
        oracledb.DB_TYPE_NUMBER: Decimal,
        oracledb.DB_TYPE_CLOB: oracledb.DB_TYPE_LONG,
        oracledb.DB_TYPE_NCLOB: oracledb.DB_TYPE_LONG_NVARCHAR,
        oracledb.DB_TYPE_BLOB: oracledb.DB_TYPE_LONG_RAW,
    }
    target = wanted.get(metadata.type_code)
    return None if target is None else cursor.var(target, arraysize=cursor.arraysize)
