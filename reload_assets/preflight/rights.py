"""The rights that the job's login needs, the ledger of this version, and the role that DMS logs in as."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from reload_assets.errors.preflight import LedgerOutdated, LoadRoleMismatch, LoadRoleUnknown, RightsMissing
from reload_assets.errors.reloads import LedgerMissing
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import file_names, run
from reload_assets.preflight.finding import Finding, found
from reload_assets.tables import ReloadTable

# DELETE takes back what a reload has inserted and the source has deleted since.
_WRITES = ("SELECT", "INSERT", "UPDATE", "DELETE")
# A sequence's last value is read before it is advanced past the loaded keys.
_ADVANCES = ("SELECT", "UPDATE")

Right = tuple[str, str, str, str]
"""The kind of an object, its schema, its name (empty for a schema or the database), and the privilege."""


def require_rights(connection: Connection[Any], login: str, staging_schema: str, tables: Sequence[ReloadTable]) -> None:
    """Require all rights that reloads of the tables need. ``login`` names the connection. Raises RightsMissing."""
    ((user,),) = connection.execute("SELECT current_user").fetchall()
    missing, commands = _missing(connection, str(user), _needed(staging_schema, tables))
    if missing:
        raise RightsMissing(login, missing, commands)


def find_rights_of_cdc(connection: Connection[Any], login: str, tables: Sequence[ReloadTable]) -> Iterator[Finding]:
    """Yield a warning if the CDC task's login, by its name in the target, may not write the rows of the tables."""
    missing, commands = _missing(connection, login, _written(tables))
    if missing:
        yield found(
            "cdc-login-rights",
            "cdc",
            f"cdc: the login {login} of the CDC task lacks {'; '.join(missing)}, so that changes do not arrive there",
            f"run: {'; '.join(commands)}",
        )


def require_ledger(connection: Connection[Any], login: str) -> None:
    """Require the ledger as this version installs it. Raises LedgerMissing and LedgerOutdated."""
    try:
        with connection.transaction():
            applied = {version for (version,) in run(connection, "ddl/install:list_versions")}
    except (UndefinedTable, InsufficientPrivilege):
        raise LedgerMissing(login) from None
    files = [name for name in file_names("ddl") if name.removeprefix("ddl/")[:4].isdigit()]
    if lacking := [name for name in files if int(name.removeprefix("ddl/")[:4]) not in applied]:
        raise LedgerOutdated(login, lacking)


def require_load_role(
    connection: Connection[Any], place: str, target: TargetDatabase, load_role: str | None, dms_login: str | None
) -> None:
    """Require that the role that staging is granted to is the one as which DMS logs in.

    ``dms_login`` is the target endpoint's user, None if the endpoint takes it from a secret. ``place`` is target's in
    the configuration. Raises ConfigError.
    """
    if load_role is not None and run(connection, "catalog/rights:find_role", role_name=load_role).fetchone() is None:
        raise LoadRoleUnknown(f"{place}.load_role", load_role)
    if dms_login is not None and dms_login != (load_role or target.user):
        raise LoadRoleMismatch(f"{place}.load_role", load_role or target.user, dms_login)


def _needed(staging_schema: str, tables: Sequence[ReloadTable]) -> Iterator[Right]:
    # Every merge needs temporary tables.
    yield "DATABASE", "", "", "TEMPORARY"
    for privilege in ("USAGE", "CREATE"):
        yield "SCHEMA", staging_schema, "", privilege
    yield from _written(tables)
    for table in tables:
        for column in table.key:
            if column.target.sequence is not None:
                for privilege in _ADVANCES:
                    yield "SEQUENCE", *_split(column.target.sequence), privilege
        # A merge looks for parents that are missing.
        for key in table.production.foreign_keys:
            yield "TABLE", key.parent_schema, key.parent_table, "SELECT"


def _written(tables: Sequence[ReloadTable]) -> Iterator[Right]:
    for schema in dict.fromkeys(table.production.schema for table in tables):
        yield "SCHEMA", schema, "", "USAGE"
    for table in tables:
        for privilege in _WRITES:
            yield "TABLE", table.production.schema, table.production.name, privilege


def _missing(connection: Connection[Any], login: str, needed: Iterable[Right]) -> tuple[list[str], list[str]]:
    """Return the rights that a role lacks, one text per object, and the commands that grant them."""
    kinds, schemas, names, privileges = (list(values) for values in zip(*dict.fromkeys(needed), strict=True))
    rows = run(
        connection,
        "catalog/rights:list_missing_rights",
        login=login,
        kinds=kinds,
        schemas=schemas,
        names=names,
        privileges=privileges,
    ).fetchall()
    return [f"{privileges} on {name}" for name, privileges, _ in rows], [command for *_, command in rows]


def _split(sequence: str) -> tuple[str, str]:
    """Take a sequence's name apart as pg_get_serial_sequence spells it: both parts quoted only if they need it."""
    parts, quoted, part = [], False, ""
    for character in sequence:
        if character == '"':
            quoted = not quoted
            part += character
        elif character == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    names = [name[1:-1].replace('""', '"') if name.startswith('"') else name for name in (*parts, part)]
    return names[0], names[-1]
