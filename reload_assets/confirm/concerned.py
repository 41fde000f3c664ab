"""Which of the statements that CDC skipped concern a confirm, and the keys that they bring into it.

Every statement counts, whatever its error says and in whatever language, except two kinds that no row of a reload can
cause: an update or delete that met no row, and a value that its column cannot hold. These count only where they name a
row that is judged or was staged. So a row that nobody reloads and that production has lacked for long stays out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import DataError, InsufficientPrivilege, IntegrityError

from reload_assets.cdc.position import Cdc, Skipped
from reload_assets.cdc.skipped import Key, Statement, read_statement
from reload_assets.confirm.pieces import NamedKey, NamedOutside, NamedPieces
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.merge.statements import both, in_staging
from reload_assets.postgres.statements import run

CLOCK_MARGIN = timedelta(seconds=5)
"""Two servers' clocks: a statement that CDC skipped is read rather twice than not at all."""

_SQLSTATE = re.compile(r"sql_?state\W*([0-9A-Z]{5})\b", re.IGNORECASE)
_DATA_EXCEPTION, _FOREIGN_KEY = "22", "23503"
# DMS's own words, which it writes where the server reported no error.
_NO_ROW = re.compile(r"^\W*0 rows? affected", re.IGNORECASE)


class SkippedStatements:
    """Reads the list of skipped statements again and again while a confirm goes on.

    ``since``: the first instant from which on statements count (UTC); ``ours_since``: from when on this reload, or an
    earlier one that this confirm takes up, has written production.
    """

    def __init__(
        self,
        cdc: Cdc,
        plans: Sequence[ConfirmStatements],
        since: datetime,
        ours_since: datetime,
    ) -> None:
        self._cdc, self._plans = cdc, plans
        self._ours_since = ours_since - CLOCK_MARGIN
        self._scanned_until = min(since, ours_since) - CLOCK_MARGIN
        self._unread: set[Skipped] = set()
        self._outside: dict[Skipped, str] = {}

    @property
    def open_ends(self) -> list[str]:
        """What keeps the reload from being confirmed: clauses of the result's sentence."""
        said = []
        if self._unread:
            example = sorted(f"{one.owner}.{one.table}" for one in self._unread)[0]
            said.append(
                f"{len(self._unread)} statements that CDC skipped could not be read (of {example}, for example): see "
                "awsdms_apply_exceptions, and reload the rows that they name"
            )
        outside = sorted(set(self._outside.values()))
        if outside:
            more = f" and {len(outside) - 5} more" if len(outside) > 5 else ""
            said.append(
                f"CDC skipped statements of tables outside of this reload because of a foreign key "
                f"({', '.join(outside[:5])}{more}): reload the windows of these rows"
            )
        return said

    def collect(self, connection: Connection[Any]) -> int:
        """Take the named keys among those that are judged. Returns how many are new there, or this reload's own now."""
        found = 0
        newest = self._scanned_until
        known = {(plan.merge.table.production.schema, plan.merge.table.production.name) for plan in self._plans}
        for plan in self._plans:
            for skipped in self._list(connection, plan):
                newest = max(newest, skipped.skipped_at)
                found += self._add(connection, plan, skipped)
            production = plan.merge.table.production
            place = {"schema": production.schema, "table": production.name}
            for schema, table, key in run(connection, "catalog/keys:list_related_tables", **place).fetchall():
                if (schema, table) not in known:
                    self._look_outside(connection, schema, table, key)
        self._scanned_until = max(self._scanned_until, newest - CLOCK_MARGIN)
        return found

    def _list(self, connection: Connection[Any], plan: ConfirmStatements) -> list[Skipped]:
        """Return the statements of one table, by the source's name or the target's."""
        table = plan.merge.table
        target, source = (table.production.schema, table.production.name), (table.source_schema, table.source_table)
        listed = self._cdc.skipped(connection, [target[1], source[1]], self._scanned_until)
        return [one for one in listed if _is_of(one, target) or _is_of(one, source)]

    def _add(self, connection: Connection[Any], plan: ConfirmStatements, skipped: Skipped) -> int:
        key = [column.name for column in plan.merge.table.key]
        statement = read_statement(skipped.statement)
        named = statement.keys(key) if statement else set()
        if statement is None or not statement.is_read(key):
            self._unread.add(skipped)
        ours = skipped.skipped_at >= self._ours_since
        try:
            with connection.transaction():
                concerned = (ours and not _is_harmless(skipped, statement)) or any(
                    self._is_judged(connection, plan, one) for one in named
                )
                if not concerned or statement is None:
                    return 0
                removed = statement.removed(key)
                return sum(self._collect(connection, plan, one, ours, ours and one in removed) for one in named)
        except (DataError, IntegrityError):
            # Not of the key's type, or not of its domain: a statement of a form that is not known.
            self._unread.add(skipped)
            return 0

    @staticmethod
    def _collect(connection: Connection[Any], plan: ConfirmStatements, key: Key, ours: bool, brought_back: bool) -> int:
        values = sql.SQL(", ").join(sql.Literal(value) for value in key)
        flags = {"is_ours": ours, "is_brought_back": brought_back}
        return plan.run(connection, "1_keys:collect_named", NamedKey(named_key=values), **flags).rowcount

    @staticmethod
    def _is_judged(connection: Connection[Any], plan: ConfirmStatements, key: Key) -> bool:
        """Return whether a key is judged already, or its row was staged: one that the merge found identical, too."""
        pairs = list(zip(plan.merge.table.key, (sql.Literal(value) for value in key), strict=True))
        judged = [sql.SQL("{} = {}").format(plan.in_key(column), value) for column, value in pairs]
        staged = [sql.SQL("{} = {}").format(in_staging(column), value) for column, value in pairs]
        named = NamedPieces(k_is_named=both(judged), s_is_named=both(staged))
        row = plan.run(connection, "1_keys:find_named", named).fetchone()
        assert row is not None
        return bool(row[0] or row[1])

    def _look_outside(self, connection: Connection[Any], schema: str, table: str, key: list[str] | None) -> None:
        """Note what a foreign key refused in a table of no plan, unless the row is by now as the statement wants it."""
        for skipped in self._cdc.skipped(connection, [table], self._ours_since):
            if not _is_of(skipped, (schema, table)) or _state(skipped) not in (None, _FOREIGN_KEY):
                continue
            statement = read_statement(skipped.statement)
            if _is_harmless(skipped, statement):
                continue
            named = sorted(statement.keys(key)) if statement and key else []
            if statement is None or not named or not self._is_done(connection, schema, table, key or [], statement):
                keys = "; ".join(", ".join(one) for one in named)
                self._outside[skipped] = f"{schema}.{table} {keys}".rstrip()
            else:
                self._outside.pop(skipped, None)

    @staticmethod
    def _is_done(
        connection: Connection[Any], schema: str, table: str, key: Sequence[str], statement: Statement
    ) -> bool:
        """Return whether the row was inserted since, or is gone: its presence says nothing else."""
        gone = statement.removed(key) if statement.verb == "DELETE" else statement.keys(key)
        named = next(iter(gone))
        if len(gone) != 1:
            return False
        p_is_named = both(
            sql.SQL("{} = {}").format(sql.Identifier("p", name), sql.Literal(value))
            for name, value in zip(key, named, strict=True)
        )
        pieces = NamedOutside(schema=schema, table=table, p_is_named=p_is_named)
        try:
            with connection.transaction():
                row = run(connection, "confirm/1_keys:find_row", pieces).fetchone()
        except (DataError, InsufficientPrivilege):
            # Nobody can tell: the login may not read a table outside of the reload.
            return False
        assert row is not None
        return bool(row[0]) == (statement.verb == "INSERT")


def _is_of(skipped: Skipped, table: tuple[str, str]) -> bool:
    """Tell whether a statement is one on a table: by the columns of DMS's list, or by its own words."""
    if (skipped.owner.lower(), skipped.table.lower()) == (table[0].lower(), table[1].lower()):
        return True
    statement = read_statement(skipped.statement)
    return statement is not None and tuple(name.lower() for name in statement.table[-2:]) == (
        table[0].lower(),
        table[1].lower(),
    )


def _state(skipped: Skipped) -> str | None:
    """Return the SQLSTATE of the error; None where it has none."""
    found = _SQLSTATE.search(skipped.error)
    return found[1].upper() if found else None


def _is_harmless(skipped: Skipped, statement: Statement | None) -> bool:
    """Tell whether no row of a reload can be the cause: no row was met, or a value does not fit its column."""
    state = _state(skipped)
    if state is not None:
        return state.startswith(_DATA_EXCEPTION)
    return statement is not None and statement.verb != "INSERT" and bool(_NO_ROW.match(skipped.error))
