"""Errors of the target database."""

from __future__ import annotations

from reload_assets.errors import TargetError, sample

_LOGIN = "reload@db.example:5432/sales"


class DatabaseUnreachable(TargetError):
    """The target could not be reached, or refused the login."""

    code = "target-unreachable"
    advice = "Check that the server runs, the address in `target.connection`, and the password's variable or secret."
    example = sample(login=_LOGIN, reason="connection refused")

    def __init__(self, login: str, reason: str) -> None:
        super().__init__(
            f"target.connection: cannot log in to PostgreSQL as {login} ({reason}); check the server, the address "
            "and the password's variable or secret."
        )


class TargetFull(TargetError):
    """The target, the database or the login may have no more sessions at once."""

    code = "target-full"
    advice = (
        "Raise the limit: `ALTER ROLE` or `ALTER DATABASE ... CONNECTION LIMIT`, or `max_connections`; or end sessions "
        "that nobody needs."
    )
    example = sample(login=_LOGIN, reason='FATAL: too many connections for role "reload_job"')

    def __init__(self, login: str, reason: str) -> None:
        super().__init__(
            f"target.connection: {login} can have no other session now ({reason}); raise that limit, or end sessions "
            "that nobody needs."
        )


class TargetEncryption(TargetError):
    """The target and this process do not agree on an encrypted connection, or on whom they talk to."""

    code = "target-encryption"
    advice = (
        "Check `sslmode`, `sslrootcert`, `sslcert` and `sslkey` of `target.connection`, and the variables `PGSSLMODE`, "
        "`PGSSLROOTCERT`, `PGSSLCERT` and `PGSSLKEY`, which stand in for those that are left out."
    )
    example = sample(
        login=_LOGIN,
        reason='connection to server at "db.example", port 5432 failed: SSL error: certificate verify failed',
    )

    def __init__(self, login: str, reason: str) -> None:
        super().__init__(
            f"target.connection: no encrypted connection to PostgreSQL as {login} ({reason}); check sslmode, "
            "sslrootcert, sslcert and sslkey there, and the server's certificate."
        )


class TargetVersion(TargetError):
    """The target is a version of PostgreSQL that lacks what statements of a reload need."""

    code = "target-version"
    advice = "Upgrade the target to PostgreSQL 15 or later."
    example = sample(login=_LOGIN, version="14.17", oldest=15)

    def __init__(self, login: str, version: str, oldest: int) -> None:
        super().__init__(
            f"target.connection: {login} is PostgreSQL {version}, and a reload needs {oldest} or later; upgrade it."
        )


class TextNotUtf8(TargetError):
    """The target's encoding is SQL_ASCII, which converts nothing, and a table has text that is not UTF-8."""

    code = "target-text-encoding"
    advice = (
        "Correct the values, or dump the database and restore it into one of the encoding in which they were written: "
        "PostgreSQL converts text of any encoding but SQL_ASCII."
    )
    example = sample(
        column="production.customers.name",
        database=_LOGIN,
        said='invalid byte sequence for encoding "UTF8": 0xe9',
    )

    def __init__(self, column: str, database: str, said: str) -> None:
        super().__init__(
            f"{column} has text that is not UTF-8 ({said}), and the encoding of {database} is SQL_ASCII, from which "
            "PostgreSQL converts nothing; correct the values, or move the database to the encoding in which they were "
            "written."
        )


class TargetPooled(TargetError):
    """A connection pooler stands before the target, and hands one server session to several clients."""

    code = "target-pooled"
    advice = "Name the server itself in `target.connection`, not PgBouncer or its like, in whatever mode."
    example = sample(login=_LOGIN, reason="unsupported startup parameter: options")

    def __init__(self, login: str, reason: str) -> None:
        super().__init__(
            f"target.connection: {login} is a connection pooler such as PgBouncer ({reason}), through which neither "
            "settings nor temporary tables last, and no statement can be watched; name the server itself."
        )


class TargetReadOnly(TargetError):
    """The target can be read, and not written to."""

    code = "target-read-only"
    advice = "Name the primary, or switch `default_transaction_read_only` off, in the database and the server."
    example = sample(login=_LOGIN, reason="it is a standby (pg_is_in_recovery)", fix="name the primary")

    def __init__(self, login: str, reason: str, fix: str) -> None:
        super().__init__(f"target.connection: {login} is read-only: {reason}; {fix}.")


class TargetWithoutTriggers(TargetError):
    """The login's sessions are a replica's: no trigger fires in them, and no foreign key is checked."""

    code = "target-without-triggers"
    advice = "Run `ALTER ROLE ... RESET session_replication_role` for the login, or ask for it as a superuser."
    example = sample(login=_LOGIN)

    def __init__(self, login: str) -> None:
        super().__init__(
            f"target.connection: {login} has session_replication_role = replica and may not change it, so that no "
            "trigger would fire and no foreign key be checked; reset it for the role or the database."
        )


class SessionLost(TargetError):
    """The session on the target was lost in the middle of a step other than the merge."""

    code = "session-lost"
    advice = "See whether the server was restarted, the network cut, or this process paused; launch the window again."
    example = sample(said="server closed the connection unexpectedly")

    def __init__(self, said: str) -> None:
        super().__init__(
            f"The session on the target database was lost in the middle of this step ({said}); see whether the server "
            "was restarted, the network cut, or this process paused, and launch the window again."
        )


class StatementRefused(TargetError):
    """PostgreSQL refused a statement of a step other than the merge."""

    code = "statement-refused"
    advice = "Fix the cause that PostgreSQL names, often a missing right, and launch the window again."
    example = sample(said="permission denied for table orders")

    def __init__(self, said: str) -> None:
        super().__init__(
            f"The target database refused a statement of this step: {said}; fix that and launch the window again."
        )
