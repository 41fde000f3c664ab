"""Finds the statements that CDC skipped and that concern a confirm, and adds the keys that they name.

Every skipped statement counts, no matter what its error says, except two kinds that no row of a reload can cause: an
update or delete that found no row, and a value that its column cannot hold. These count only if they name a row that
is judged or was staged. So a row that nobody reloads, and that production has lacked for long, stays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import DataError, InsufficientPrivilege, IntegrityError

from reload_assets.cdc.logged import is_harmless, is_of, readable, sqlstate
from reload_assets.cdc.position import Cdc, Skipped
from reload_assets.cdc.skipped import Key, Statement, read_statement
from reload_assets.confirm.pieces import NamedKey, NamedOutside, NamedPieces
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.merge.statements import both, in_staging
from reload_assets.postgres.statements import run

CLOCK_MARGIN = timedelta(seconds=5)
"""The allowance for the two servers' clocks: better to read a skipped statement twice than not at all."""

_FOREIGN_KEY = "23503"


class SkippedStatements:
    """Reads the list of skipped statements repeatedly during a confirm.

    ``since``: statements count from this instant on (UTC). ``ours_since``: since when this reload, or an earlier one
    that this confirm takes up, has been writing production.
    """

    def __init__(
        self,
        cdc: Cdc,
        all_statements: Sequence[ConfirmStatements],
        since: datetime,
        ours_since: datetime,
    ) -> None:
        self._cdc, self._all_statements = cdc, all_statements
        self._ours_since = ours_since - CLOCK_MARGIN
        self._scanned_until = min(since, ours_since) - CLOCK_MARGIN
        self._unread: set[Skipped] = set()
        self._outside: dict[Skipped, str] = {}
        self._limited: dict[str, set[Key]] = {}

    @property
    def open_ends(self) -> list[str]:
        """The reasons why the reload cannot count as confirmed: clauses of the result's sentence."""
        said = []
        if self._unread:
            example = sorted(f"{one.owner}.{one.table}" for one in self._unread)[0]
            said.append(
                f"{len(self._unread)} statements that CDC skipped could not be read (of {example}, for example): see "
                "awsdms_apply_exceptions, and reload the rows that they name"
            )
        said += [
            f"CDC skipped statements about {len(keys)} rows of {table} while only columns of it were repaired "
            f"({', '.join(sorted(keys)[0])}, for example): reload these rows whole"
            for table, keys in self._limited.items()
        ]
        outside = sorted(set(self._outside.values()))
        if outside:
            more = f" and {len(outside) - 5} more" if len(outside) > 5 else ""
            said.append(
                f"CDC skipped statements of tables outside of this reload because of a foreign key "
                f"({', '.join(outside[:5])}{more}): reload the windows of these rows"
            )
        return said

    def collect(self, connection: Connection[Any]) -> int:
        """Add the named keys to the judged ones. Returns how many are new, or are now known as this reload's own."""
        found = 0
        newest = self._scanned_until
        known = {
            (statements.merge.table.production.schema, statements.merge.table.production.name)
            for statements in self._all_statements
        }
        for statements in self._all_statements:
            for skipped in self._list(connection, statements):
                newest = max(newest, skipped.skipped_at)
                found += self._add(connection, statements, skipped)
            production = statements.merge.table.production
            place = {"schema": production.schema, "table": production.name}
            for schema, table, key in run(connection, "catalog/keys:list_related_tables", **place).fetchall():
                if (schema, table) not in known:
                    self._look_outside(connection, schema, table, key)
        self._scanned_until = max(self._scanned_until, newest - CLOCK_MARGIN)
        return found

    def _list(self, connection: Connection[Any], statements: ConfirmStatements) -> list[Skipped]:
        """Return the skipped statements of one table, known by its source name or its target name."""
        table = statements.merge.table
        target, source = (table.production.schema, table.production.name), (table.source_schema, table.source_table)
        listed = self._cdc.skipped(connection, [target[1], source[1]], self._scanned_until)
        return [one for one in listed if is_of(one, target) or is_of(one, source)]

    def _add(self, connection: Connection[Any], statements: ConfirmStatements, skipped: Skipped) -> int:
        columns = [column.target for column in statements.merge.table.key]
        key = [column.name for column in columns]
        statement = read_statement(skipped.statement)
        named = readable(columns, statement.keys(key)) if statement else set()
        if statement is None or not statement.is_read(key):
            self._unread.add(skipped)
        ours = skipped.skipped_at >= self._ours_since
        try:
            with connection.transaction():
                concerned = (ours and not is_harmless(skipped, statement)) or any(
                    self._is_judged(connection, statements, one) for one in named
                )
                if not concerned or statement is None:
                    return 0
                if ours and named and statements.merge.table.limited_to is not None:
                    # Our values may be why it was skipped, and a repair of columns cannot do what it would have done.
                    self._limited.setdefault(statements.merge.table.target, set()).update(named)
                removed = readable(columns, statement.removed(key))
                return sum(self._collect(connection, statements, one, ours, ours and one in removed) for one in named)
        except (DataError, IntegrityError):
            # A value that does not fit the key's type or domain: the statement has a form that we cannot read.
            self._unread.add(skipped)
            return 0

    @staticmethod
    def _collect(
        connection: Connection[Any], statements: ConfirmStatements, key: Key, ours: bool, brought_back: bool
    ) -> int:
        values = sql.SQL(", ").join(sql.Literal(value) for value in key)
        flags = {"is_ours": ours, "is_brought_back": brought_back}
        return statements.run(connection, "1_keys:collect_named", NamedKey(named_key=values), **flags).rowcount

    @staticmethod
    def _is_judged(connection: Connection[Any], statements: ConfirmStatements, key: Key) -> bool:
        """Return whether a key is judged already, or its row was staged, even if the merge found it identical."""
        pairs = list(zip(statements.merge.table.key, (sql.Literal(value) for value in key), strict=True))
        judged = [sql.SQL("{} = {}").format(statements.in_key(column), value) for column, value in pairs]
        staged = [sql.SQL("{} = {}").format(in_staging(column), value) for column, value in pairs]
        named = NamedPieces(k_is_named=both(judged), s_is_named=both(staged))
        row = statements.run(connection, "1_keys:find_named", named).fetchone()
        assert row is not None
        return bool(row[0] or row[1])

    def _look_outside(self, connection: Connection[Any], schema: str, table: str, key: list[str] | None) -> None:
        """Note what a foreign key refused in a table outside the reload, unless the change is there by now."""
        for skipped in self._cdc.skipped(connection, [table], self._ours_since):
            if not is_of(skipped, (schema, table)) or sqlstate(skipped) not in (None, _FOREIGN_KEY):
                continue
            statement = read_statement(skipped.statement)
            if is_harmless(skipped, statement):
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
        """Return whether the row has been inserted since, or is gone. Its presence proves nothing else."""
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
            # The login may not read a table outside the reload, so this cannot be known.
            return False
        assert row is not None
        return bool(row[0]) == (statement.verb == "INSERT")
