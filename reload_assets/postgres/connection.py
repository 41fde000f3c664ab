"""Connections to the target database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.errors import InsufficientPrivilege

from reload_assets.errors import without_secret
from reload_assets.errors.target import (
    DatabaseUnreachable,
    TargetEncryption,
    TargetFull,
    TargetPooled,
    TargetReadOnly,
    TargetVersion,
    TargetWithoutTriggers,
)
from reload_assets.postgres.statements import run

CONNECT_TIMEOUT_SECONDS = 10
OLDEST_VERSION = 15
"""The oldest version of PostgreSQL that knows every statement in ``sql/``."""
# Either side gives up a peer that is cut off after half a minute. The session ends then, and its locks with it. The
# defaults of operating systems are hours.
_KEEPALIVES = {"idle": 10, "interval": 5, "count": 4}
_UNANSWERED_MS = 30_000
# These hold regardless of what the server, the database or the role has set. What a login may not set for itself, and
# what only some versions know, is in sql/session.sql.
SERVER_SETTINGS: Mapping[str, str] = {
    # How values are written as text, and text is read. Timestamps of the ledger are compared and shown in UTC.
    "DateStyle": "ISO,YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    # Floating-point numbers in full.
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "xmlbinary": "base64",
    "xmloption": "content",
    # What a statement means.
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "row_security": "on",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    # What a transaction is.
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "exit_on_error": "off",
    # The only kind of table in which every statement of ours works.
    "default_table_access_method": "heap",
    # Nothing ends because it takes long, except where a transaction says so itself.
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    **{f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVES.items()},
    "tcp_user_timeout": str(_UNANSWERED_MS),
    # The server ends a running statement too, and not only an idle session, if its client has gone.
    "client_connection_check_interval": "1s",
}
# What PgBouncer and RDS Proxy answer to settings that they cannot carry to a server.
_POOLER = re.compile(r"unsupported startup parameter|\bRDS Proxy\b")
_FULL = re.compile(r"too many (?:connections|clients)|remaining connection slots")
_ENCRYPTION = re.compile(r"\bSSL\b|sslmode|certificate|private key|no encryption")
# Of a server that takes no such login, encrypted or not.
_NO_ENTRY = ", SSL encryption"
_HINT = re.compile(r"Is the server running (?:on that host|locally) and accepting (?:TCP/IP )?connections.*\?")


def server_options(settings: Mapping[str, str]) -> str:
    """Return settings of the server as libpq's parameter ``options``."""
    escaped = {name: re.sub(r"([\\ ])", r"\\\1", value) for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def require_version(login: str, number: int, version: str | None) -> None:
    """Raise TargetVersion for a server that is too old. ``number`` is PostgreSQL's own, such as 150004 for 15.4."""
    if number // 10_000 < OLDEST_VERSION:
        raise TargetVersion(login, version or str(number // 10_000), OLDEST_VERSION)


@dataclass(frozen=True)
class TargetDatabase:
    """Where production is and how to log in. The password does not appear in its repr or in errors.

    ``tls``: libpq's parameters for an encrypted connection. libpq's variables, such as PGSSLMODE, apply to the others.
    """

    host: str
    port: int
    database: str
    user: str
    password: str | None = field(repr=False)
    tls: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def connect(self, *, autocommit: bool = False) -> Connection[Any]:
        """Return a new connection to a server that can be written to; the caller closes it. Raises TargetError."""
        encryption: dict[str, Any] = dict(self.tls)
        try:
            connection = psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.user,
                password=self.password,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name="reload_assets",
                client_encoding="UTF8",
                autocommit=True,
                options=server_options(SERVER_SETTINGS),
                tcp_user_timeout=_UNANSWERED_MS,
                keepalives_idle=_KEEPALIVES["idle"],
                keepalives_interval=_KEEPALIVES["interval"],
                keepalives_count=_KEEPALIVES["count"],
                **encryption,
            )
        except (psycopg.Error, UnicodeError) as error:
            # No name of a host has a label that is empty or longer than 63 characters.
            raise self._refusal(str(error)) from None
        try:
            self._open_session(connection)
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_session(self, connection: Connection[Any]) -> None:
        """Set what startup options cannot, and look at whom the session is with."""
        require_version(str(self), connection.info.server_version, connection.info.parameter_status("server_version"))
        read_only_by = None
        try:
            server_process, is_standby, needs_mending = run(connection, "session:open_session").fetchall()[0][:3]
            if needs_mending:
                read_only_by = run(connection, "session:mend_session").fetchall()[0][0]
        except InsufficientPrivilege:
            raise TargetWithoutTriggers(str(self)) from None
        except psycopg.Error as error:
            raise DatabaseUnreachable(str(self), self._reason(str(error))) from None
        if server_process != connection.info.backend_pid:
            raise TargetPooled(str(self), "its server process is not the one that it names at the login")
        if is_standby:
            raise TargetReadOnly(str(self), "it is a standby (pg_is_in_recovery)", "name the primary")
        if read_only_by is not None:
            raise TargetReadOnly(
                str(self),
                f"default_transaction_read_only is on there, set by: {read_only_by}",
                "switch it off, or name another database",
            )

    def _refusal(self, said: str) -> DatabaseUnreachable | TargetEncryption | TargetFull | TargetPooled:
        reason = self._reason(said)
        if _POOLER.search(reason):
            return TargetPooled(str(self), reason)
        if _FULL.search(reason):
            return TargetFull(str(self), reason)
        if _ENCRYPTION.search(reason) and _NO_ENTRY not in reason:
            return TargetEncryption(str(self), reason)
        return DatabaseUnreachable(str(self), reason)

    def _reason(self, said: str) -> str:
        """Return libpq's words on one line: each failed address, without the hint that our own sentence gives."""
        lines = [_HINT.sub("", line).strip() for line in said.splitlines()]
        text = " ".join(line for line in lines if line).rstrip(" .")
        return without_secret(re.sub(r"^connection (?:failed|is bad): ", "", text), self.password or "")
