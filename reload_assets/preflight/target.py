"""Looks at the target's server: its version and connection, its sessions, its locks, and the size of production."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.conversions.declared import INSTANT
from reload_assets.errors.preflight import ConnectionsLimited
from reload_assets.postgres.statements import run
from reload_assets.preflight.finding import Finding, found
from reload_assets.preflight.network import look_at_encryption
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import counted

NEWEST_VERSION = 18
"""The newest version of PostgreSQL for which the project is tested. The oldest is in ``postgres/connection.py``."""
SESSIONS = 3
"""How many sessions a run has at once at most: one that works, one for the ledger, one that watches who waits."""
LONG_SECONDS = 600
"""After how many seconds a transaction is long: no merge waits so long for a row."""

_UTC = {"utc", "gmt", "etc/utc", "etc/gmt", "universal", "zulu", "0"}
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def look_at_server(connection: Connection[Any], login: str, waits_ms: int) -> Iterator[Finding]:
    """Yield what holds for the server and the connection. ``waits_ms``: the longest wait of, or for, a merge."""
    major = connection.info.server_version // 10_000
    if major > NEWEST_VERSION:
        yield found(
            "server-version-new",
            "target",
            f"target: {login} is PostgreSQL {major}, and reload_assets is tested with 15 to {NEWEST_VERSION}",
            "try a window that nobody needs first, or upgrade reload_assets",
        )
    mode = connection.info.get_parameters().get("sslmode", "prefer")
    encrypted, host = connection.pgconn.ssl_in_use, connection.info.hostaddr or connection.info.host
    proven = "proves the server" if mode == "verify-full" else "does not prove the server"
    how = f"encrypted (sslmode {mode}, which {proven})" if encrypted else "not encrypted"
    version = f"PostgreSQL {connection.info.parameter_status('server_version')}"
    yield found("server-ready", "target", f"target: {login} is {version}; the connection is {how}")
    fix = "write sslmode: verify-full and sslrootcert into target.connection"
    yield from look_at_encryption("target", login, host, encrypted=encrypted, fix=fix)
    ((timeout,),) = run(connection, "preflight:get_deadlock_timeout").fetchall()
    if timeout <= waits_ms:
        yield found(
            "deadlock-timeout-short",
            "target",
            f"target: deadlock_timeout is {timeout} ms, and a merge waits, or is waited for, up to {waits_ms} ms: in a "
            "deadlock PostgreSQL could end CDC's transaction",
            "raise deadlock_timeout, or lower merge.lock_timeout_ms and merge.stall_limit_ms",
        )


def look_at_limits(connection: Connection[Any], login: str) -> Iterator[Finding]:
    """Yield a warning if a run may find no room for its sessions. Raises ConnectionsLimited if it never has any."""
    row = run(connection, "preflight:get_connection_limits").fetchone()
    assert row is not None
    of_role, of_database, by_role, in_database = row
    user, database = sql.Identifier(connection.info.user), sql.Identifier(connection.info.dbname)
    for whose, limit, others, of in (
        ("the login", of_role, by_role, sql.SQL("ALTER ROLE {}").format(user)),
        ("the database", of_database, in_database, sql.SQL("ALTER DATABASE {}").format(database)),
    ):
        if 0 <= limit < SESSIONS:
            raise ConnectionsLimited(login, whose, limit, SESSIONS, of.as_string())
        if 0 <= limit < SESSIONS + others:
            yield found(
                "sessions-few",
                "target",
                f"target: {whose} of {login} may have {limit} sessions at once, has {others} others now, and a reload "
                f"needs up to {SESSIONS}",
                f"run: {of.as_string()} CONNECTION LIMIT -1, or a higher number",
            )


def look_at_sessions(
    connection: Connection[Any], user: str, tables: Sequence[ReloadTable], longest: float = LONG_SECONDS
) -> Iterator[Finding]:
    """Yield the transactions that have been open for longer than ``longest`` seconds."""
    schemas = sorted({table.production.schema for table in tables})
    rows = run(connection, "preflight:list_long_transactions", schemas=schemas, seconds=longest).fetchall()
    for pid, login, application, state, seconds, locked in rows:
        name = f"the session {pid}" if pid is not None else f"the prepared transaction {application!r}"
        which = f"{application}, {state}" if application and pid is not None else state
        holds = f", and has locked {', '.join(locked)}" if locked else ""
        rollback = f"ROLLBACK PREPARED {sql.Literal(application).as_string()}"
        end = rollback if pid is None else f"SELECT pg_terminate_backend({pid})"
        yield found(
            "transaction-long",
            "target",
            f"target: {name} of {login} ({which}) has had its transaction open for {seconds / 60:,.0f} minutes{holds}: "
            "a merge gives up if it needs a row that was changed there",
            f"let it end, or end it: {end}",
        )
    ((hidden,),) = run(connection, "preflight:count_hidden_sessions").fetchall()
    if hidden:
        yield found(
            "look-denied",
            "target",
            f"target: could not look at how long the transactions of {counted(hidden, 'session')} are open",
            f"GRANT pg_read_all_stats TO {sql.Identifier(user).as_string()} lets doctor look",
        )


def look_at_locks(connection: Connection[Any], group: str, tables: Sequence[ReloadTable]) -> Iterator[Finding]:
    """Yield a warning if a merge of the tables may need a large part of all locks that there can be."""
    ((relations, locks),) = run(connection, "preflight:get_locks", **_named(tables)).fetchall()
    if few := few_locks(group, relations, locks):
        yield few


def few_locks(group: str, relations: int, locks: int) -> Finding | None:
    """Return a warning if a merge may lock more than half as many relations as there is room for; else None."""
    if relations <= locks / 2:
        return None
    return found(
        "lock-table-small",
        group,
        f"a merge of {group} may lock {relations:,} tables, partitions and indexes, and PostgreSQL has room for "
        f"{locks:,} locks of all sessions (max_locks_per_transaction x max_connections): it could end with 'out of "
        "shared memory'",
        "raise max_locks_per_transaction, which needs a restart, or detach old partitions",
    )


def look_at_sizes(connection: Connection[Any], tables: Sequence[ReloadTable]) -> Iterator[Finding]:
    """Yield how large the tables are, by which a user knows how much a window may need."""
    rows = run(connection, "preflight:list_sizes", **_named(tables)).fetchall()
    if rows:
        name, most = max(rows, key=lambda row: int(row[1]))
        total = sum(taken for _, taken in rows)
        of = f" (the largest table is {name}, {size(most)})" if len(rows) > 1 else ""
        yield found(
            "table-sizes",
            "target",
            f"target: production takes {size(total)}{of}; PostgreSQL cannot tell the free space (RDS: "
            "FreeStorageSpace)",
        )


def look_at_zones(
    connection: Connection[Any], dms_login: str, zone: str, tables: Sequence[ReloadTable]
) -> Iterator[Finding]:
    """Yield a warning if CDC reads times without a zone in another zone than a reload, where that changes a value."""
    row = run(connection, "preflight:get_zone_of_login", login=dms_login).fetchone()
    if row is None or _same_zone(str(row[0]), zone):
        return
    for table in tables:
        names = [
            column.name
            for column, pair in table.pairs
            if pair.source.type.family == "time" and pair.declared.base == INSTANT
        ]
        if names:
            yield found(
                "zone-of-login",
                table.target,
                f"{', '.join(names)} of {table.target} is timestamptz, and times of the source have no zone: the "
                f"sessions of DMS's login {dms_login} read them in {row[0]}, a reload in {zone} (source.time_zone)",
                f"ALTER ROLE {sql.Identifier(dms_login).as_string()} SET TimeZone = '{zone}'",
            )


def size(taken: int) -> str:
    """Return a number of bytes as people write it: ``12 MB``."""
    number, unit = float(taken), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:,.0f} {_UNITS[unit]}"


def _named(tables: Sequence[ReloadTable]) -> dict[str, list[str]]:
    return {
        "schemas": [table.production.schema for table in tables],
        "names": [table.production.name for table in tables],
    }


def _same_zone(one: str, other: str) -> bool:
    both = {name.strip("'\"").lower() for name in (one, other)}
    return len(both) == 1 or both <= _UTC
