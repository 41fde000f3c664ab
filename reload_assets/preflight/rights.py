"""The rights that the job's login needs, the ledger of this version, and the role that DMS logs in as."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from reload_assets.errors.preflight import (
    LedgerOutdated,
    LoadRoleMismatch,
    LoadRoleUnknown,
    RelatedRowsHidden,
    RightsMissing,
)
from reload_assets.errors.reloads import LedgerMissing
from reload_assets.merge.judge import written_columns
from reload_assets.merge.side_effects import acts_on_delete, acts_on_update
from reload_assets.merge.unique_swaps import movable
from reload_assets.postgres.catalog import Reference
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import file_names, run
from reload_assets.preflight.finding import Finding, found
from reload_assets.tables import ReloadTable

# What a reload reads and writes of the ledger. Each has a partition of the audit, which only the audit's owner makes.
_LEDGER = ("reloads", "reload_tables", "reload_checks", "reload_requests", "notifications")
_AUDIT, _CHANGE_NUMBERS = "reload_changes", "reload_change_id"
# By these a row is known again that somebody else has written meanwhile.
_VERSION_OF_ROW = ("ctid", "tableoid", "xmin")
# A sequence's last value is read before it is advanced past the loaded keys.
_ADVANCES = ("SELECT", "UPDATE")


class Right(NamedTuple):
    """A privilege on an object. ``name`` is empty for a schema or the database.

    ``columns``: those of a table for which the privilege suffices; none if only one on the whole table does.
    """

    kind: str
    schema: str
    name: str
    privilege: str
    columns: Sequence[str] = ()


def require_rights(connection: Connection[Any], login: str, staging_schema: str, tables: Sequence[ReloadTable]) -> None:
    """Require all rights that reloads of the tables need, and that they see all rows that foreign keys concern.

    ``login`` names the connection. Raises RightsMissing and RelatedRowsHidden.
    """
    user = _user(connection)
    missing, commands = _missing(connection, user, _needed(staging_schema, tables))
    for _, what, command in _unusable(connection, user, tables):
        missing.append(what)
        commands.append(command)
    if missing:
        raise RightsMissing(login, missing, commands)
    _require_related_rows(connection, login, tables)


def find_rights_of_cdc(connection: Connection[Any], login: str, tables: Sequence[ReloadTable]) -> Iterator[Finding]:
    """Yield a warning if the CDC task's login, by its name in the target, may not write the rows of the tables."""
    missing, commands = _missing(connection, login, _written_by_cdc(tables))
    for kind, what, command in _unusable(connection, login, tables):
        # CDC names neither types nor the expressions of indexes.
        if kind == "FUNCTION":
            missing.append(what)
            commands.append(command)
    if missing:
        yield found(
            "cdc-login-rights",
            "cdc",
            f"cdc: the login {login} of the CDC task lacks {'; '.join(missing)}, so that changes do not arrive there",
            f"run: {'; '.join(commands)}",
        )


def require_ledger(connection: Connection[Any], login: str) -> None:
    """Require the ledger as this version installs it, and the rights to write it.

    Raises LedgerMissing, LedgerOutdated and RightsMissing.
    """
    try:
        with connection.transaction():
            applied = {version for (version,) in run(connection, "ddl/install:list_versions")}
    except (UndefinedTable, InsufficientPrivilege):
        raise LedgerMissing(login) from None
    files = [name for name in file_names("ddl") if name.removeprefix("ddl/")[:4].isdigit()]
    if lacking := [name for name in files if int(name.removeprefix("ddl/")[:4]) not in applied]:
        raise LedgerOutdated(login, lacking)
    missing, commands = _missing(connection, _user(connection), _ledger())
    if missing:
        raise RightsMissing(login, missing, commands)


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
    yield Right("DATABASE", "", "", "TEMPORARY")
    for privilege in ("USAGE", "CREATE"):
        yield Right("SCHEMA", staging_schema, "", privilege)
    yield from _schemas(tables)
    for table in tables:
        every_column = table.production.column_names
        inserted, updated = _inserted(table), _updated(table)
        # The audit keeps rows whole.
        yield _on(table, "SELECT", [*every_column, *_VERSION_OF_ROW])
        yield _on(table, "INSERT", inserted)
        yield _on(table, "UPDATE", updated or every_column)
        # DELETE takes back what a reload has inserted and the source has deleted since.
        yield _on(table, "DELETE")
        for column in table.key:
            if column.target.sequence is not None:
                for privilege in _ADVANCES:
                    yield Right("SEQUENCE", *_split(column.target.sequence), privilege)
        for reference in _acting(table):
            yield Right("SCHEMA", reference.child_schema, "", "USAGE")
            yield Right("TABLE", reference.child_schema, reference.child_table, "SELECT", reference.columns)
        # A merge looks for parents that are missing.
        for key in table.production.foreign_keys:
            yield Right("SCHEMA", key.parent_schema, "", "USAGE")
            yield Right("TABLE", key.parent_schema, key.parent_table, "SELECT", key.parent_columns)


def _acting(table: ReloadTable) -> list[Reference]:
    """Return the foreign keys that act when a row changes or is deleted: a reload does neither to a referred row."""
    return [*acts_on_update(table, _updated(table)), *acts_on_delete(table)]


def _require_related_rows(connection: Connection[Any], login: str, tables: Sequence[ReloadTable]) -> None:
    """Raise RelatedRowsHidden if row security hides parents, which would count as missing, or rows that follow."""
    related: dict[str, set[tuple[str, str]]] = {}
    for table in tables:
        parents = {(key.parent_schema, key.parent_table) for key in table.production.foreign_keys}
        related[table.target] = parents | {(one.child_schema, one.child_table) for one in _acting(table)}
    every = sorted(set().union(*related.values()))
    if not every:
        return
    schemas, names = zip(*every, strict=True)
    rows = run(connection, "catalog/rights:list_hiding_tables", schemas=list(schemas), names=list(names)).fetchall()
    for target, tied in related.items():
        if hiding := [f"{schema}.{name}" for schema, name in rows if (schema, name) in tied]:
            raise RelatedRowsHidden(login, target, hiding)


def _updated(table: ReloadTable) -> list[str]:
    mark = table.options.soft_delete_column
    return [*(column.name for column in written_columns(table)), *([mark] if mark else [])]


def _ledger() -> Iterator[Right]:
    for privilege in ("USAGE", "CREATE"):
        yield Right("SCHEMA", "admin", "", privilege)
    for name in _LEDGER:
        for privilege in ("SELECT", "INSERT", "UPDATE"):
            yield Right("TABLE", "admin", name, privilege)
    yield Right("OWNER", "admin", _AUDIT, "USAGE")
    yield Right("SEQUENCE", "admin", _CHANGE_NUMBERS, "USAGE")


def _inserted(table: ReloadTable) -> list[str]:
    """Return the columns that a merge inserts: all of them into rows that it recreates to move unique values."""
    if movable(table):
        return [column.name for column in table.production.columns if not column.generated]
    return [column.name for column in table.columns]


def _written_by_cdc(tables: Sequence[ReloadTable]) -> Iterator[Right]:
    yield from _schemas(tables)
    for table in tables:
        loaded, key = [column.name for column in table.columns], [column.name for column in table.key]
        yield _on(table, "SELECT", key)
        yield _on(table, "INSERT", loaded)
        yield _on(table, "UPDATE", loaded)
        yield _on(table, "DELETE")


def _schemas(tables: Sequence[ReloadTable]) -> Iterator[Right]:
    for schema in dict.fromkeys(table.production.schema for table in tables):
        yield Right("SCHEMA", schema, "", "USAGE")


def _on(table: ReloadTable, privilege: str, columns: Sequence[str] = ()) -> Right:
    return Right("TABLE", table.production.schema, table.production.name, privilege, columns)


def _user(connection: Connection[Any]) -> str:
    ((user,),) = connection.execute("SELECT current_user").fetchall()
    return str(user)


def _missing(connection: Connection[Any], login: str, needed: Iterable[Right]) -> tuple[list[str], list[str]]:
    """Return the rights that a role lacks, one text per object, and the commands that grant them."""
    by_object: dict[tuple[str, str, str, str], list[str]] = {}
    for right in needed:
        # Two foreign keys may refer to one table.
        by_object.setdefault(right[:4], []).extend(right.columns)
    kinds, schemas, names, privileges = (list(values) for values in zip(*by_object, strict=True))
    rows = run(
        connection,
        "catalog/rights:list_missing_rights",
        login=login,
        kinds=kinds,
        schemas=schemas,
        names=names,
        privileges=privileges,
        column_lists=[json.dumps(columns) for columns in by_object.values()],
    ).fetchall()
    return [f"{privileges} on {name}" for name, privileges, _ in rows], [command for *_, command in rows]


def _unusable(connection: Connection[Any], login: str, tables: Sequence[ReloadTable]) -> list[tuple[str, str, str]]:
    """Return what the tables use and a role may not: the kind, what is missing, and the command that grants it."""
    rows = run(
        connection,
        "catalog/rights:list_missing_uses",
        login=login,
        schemas=[table.production.schema for table in tables],
        names=[table.production.name for table in tables],
    ).fetchall()
    return [(kind, f"{privilege} on {name}", command) for kind, name, privilege, command in rows]


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
