"""Errors of the source: what can go wrong when a reload reads its rows or its dictionary."""

from __future__ import annotations

from reload_assets.errors import SourceUnavailable, sample

_SOURCE = "The source oracle db.example:1521/SALESPDB as user RELOAD"


class SourceUnreachable(SourceUnavailable):
    """The source could not be reached, or refused the login."""

    code = "source-unreachable"
    advice = "Check the address, the login and its password in `source.connection`, and the listener's service name."
    example = sample(place=_SOURCE, reason="ORA-12514: the listener does not know the service SALESPDB")

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} cannot be reached ({reason}); check the address, the login and its password.")


class SourceEncryption(SourceUnavailable):
    """The source and this process do not agree on an encrypted connection, or on whom they talk to."""

    code = "source-encryption"
    advice = (
        "Check `protocol`, `wallet_location`, `wallet_password`, `ssl_server_dn_match` and `ssl_server_cert_dn` of "
        "`source.connection`, and the listener's certificate."
    )
    example = sample(place=_SOURCE, reason="DPY-6005: cannot connect to database. certificate verify failed")

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"{place} has no encrypted connection for us ({reason}); check protocol, wallet_location and "
            "ssl_server_cert_dn in source.connection."
        )


class SourceNotConfigured(SourceUnavailable):
    """A window is to be compared with the source, and no source connection is configured."""

    code = "source-not-configured"
    advice = "Write `source.connection`: a read-only login to the primary."
    example = sample(place="reload.yaml: groups.sales.tables")

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} cannot be compared with the source: configure source.connection to do so.")


class SourceUnreadable(SourceUnavailable):
    """The source is reachable, but a read failed."""

    code = "source-unreadable"
    advice = "Fix the cause that the source names, often a missing SELECT right, and try again."
    example = sample(place=_SOURCE, reason='ORA-00942: table or view "SALES"."ORDERS" does not exist')

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} could not be read ({reason}).")


class SourceDenied(SourceUnavailable):
    """The user of `source.connection` may not read a table or a view of the source, or it is not there."""

    code = "source-denied"
    advice = "Run the GRANT of the message as a DBA, or as the owner of the table."
    example = sample(
        place=_SOURCE,
        reason='ORA-00942: table or view "SALES"."ORDERS" does not exist',
        grant='GRANT SELECT ON "SALES"."ORDERS" TO RELOAD',
    )

    def __init__(self, place: str, reason: str, grant: str | None = None) -> None:
        self.reason = reason
        super().__init__(f"{place} denies a read ({reason}); run {grant or 'a GRANT SELECT on what it names'}.")


class SourceCallTimedOut(SourceUnavailable):
    """One call to the source took longer than it may."""

    code = "source-call-timed-out"
    advice = (
        "See what the source is busy with. Raise `source.connection.call_timeout_seconds`, or give the window column "
        "an index in the source."
    )
    example = sample(place=_SOURCE, reason="DPY-4024: call timeout of 3600000 ms exceeded")

    def __init__(self, place: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{place} did not answer in time ({reason}); see what it is busy with, raise call_timeout_seconds in "
            "source.connection, or give the window column an index there."
        )


class SourceSnapshotTooOld(SourceUnavailable):
    """Oracle did not keep the rows of when a read began for as long as it took, even for the shortest range."""

    code = "source-snapshot-too-old"
    advice = "Let Oracle keep more undo (`UNDO_RETENTION`, the size of the undo tablespace), or read at a quieter time."
    example = sample(place=_SOURCE, reason="ORA-01555: snapshot too old: rollback segment number 7 too small")

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"{place} could not finish a read ({reason}), however short its range; let it keep more undo, or read at a "
            "quieter time."
        )


class SourceDialectUnknown(SourceUnavailable):
    """The source is neither Oracle nor the PostgreSQL stand-in."""

    code = "source-dialect-unknown"
    advice = "Set `source.connection.dialect` to `oracle`."
    example = sample(place="The source mysql db.example/sales as user RELOAD", dialect="mysql")

    def __init__(self, place: str, dialect: str) -> None:
        super().__init__(f"{place} cannot be read: it must be oracle or postgresql, not {dialect}.")


class SourceDriverMissing(SourceUnavailable):
    """The Python driver for the source is not installed."""

    code = "source-driver-missing"
    advice = "Install it beside the package: `pip install 'reload_assets[oracle]'`."
    example = sample(place=_SOURCE, driver="oracledb", extra=" (pip install 'reload_assets[oracle]')")

    def __init__(self, place: str, driver: str, extra: str) -> None:
        super().__init__(f"{place} needs the driver {driver}: install it{extra}.")


class SourceNotPrimary(SourceUnavailable):
    """The source connection leads to a standby, whose rows may be older than those that CDC has carried."""

    code = "source-not-primary"
    advice = "Name the primary in `source.connection`."
    example = sample(place=_SOURCE, role="physical standby")

    def __init__(self, place: str, role: str) -> None:
        super().__init__(
            f"{place} is not a primary database but a {role}, which shows older rows than CDC has carried; name the "
            "primary in source.connection."
        )


class SourceNameUnknown(SourceUnavailable):
    """The source has no schema, table or column with a configured name, or the user may not read it."""

    code = "source-name-unknown"
    advice = "Fix the name, which Oracle keeps in upper case, or grant SELECT to the user of `source.connection`."
    example = sample(place=_SOURCE, missing="table SALES.ODERS that this user may read", hint="ORDERS", fix="grant it")

    def __init__(self, place: str, missing: str, hint: str | None, fix: str) -> None:
        meant = f" (did you mean {hint!r}?)" if hint else ""
        super().__init__(f"{place} has no {missing}{meant}; {fix}.")


class SourceColumnType(SourceUnavailable):
    """A column of the source has a type that does not suit its use in the configuration."""

    code = "source-column-type"
    advice = "Name another column there, or leave the column out with `ignored_source_columns`."
    example = sample(
        column="SALES.ORDERS.BODY",
        declared="CLOB",
        problem="cannot be a key or a version",
        fix="name a column of type NUMBER, VARCHAR2, CHAR, RAW, DATE or TIMESTAMP",
    )

    def __init__(self, column: str, declared: str, problem: str, fix: str) -> None:
        super().__init__(f"The source's column {column} is {declared}, which {problem}; {fix}.")


class SourceKeyValue(SourceUnavailable):
    """A key in production has a value that the source's key column cannot hold."""

    code = "source-key-value"
    advice = "Check that the key columns of source and production belong together."
    example = sample(value="'abc'", column="ID", declared="NUMBER")

    def __init__(self, value: str, column: str, declared: str) -> None:
        super().__init__(
            f"{value} cannot be looked up in the source's column {column}, which is {declared}; "
            "check that the key columns of source and production belong together."
        )


class SourceNotDescribed(SourceUnavailable):
    """The reload was opened without a source connection, so the types of the source's columns are not known."""

    code = "source-not-described"
    advice = "Configure `source.connection` and reload the window again."
    example = sample(table="ORDERS")

    def __init__(self, table: str) -> None:
        super().__init__(
            f"The reload has no description of the columns of {table} in the source; configure source.connection and "
            "reload the window again."
        )


class SourceStale(SourceUnavailable):
    """The source connection shows older rows than DMS reads: it leads to an old copy, or to another database."""

    code = "source-stale"
    advice = "Name the primary in `source.connection`. None of the rows in doubt was written."
    example = sample(rows="3 rows of ORDERS (keys 17; 18; 19)")

    def __init__(self, rows: str) -> None:
        super().__init__(
            f"The source connection shows {rows} older than DMS reads them, so it leads to an old copy of the source "
            "or to another database; name the primary in source.connection. None of them was written."
        )
