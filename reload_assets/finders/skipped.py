"""Finds the rows about which CDC skipped statements, in DMS's table awsdms_apply_exceptions.

A skipped statement is only evidence: whether its row differs, the reload finds out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from psycopg import Connection

from reload_assets.cdc.logged import is_harmless, sqlstate
from reload_assets.cdc.position import Cdc, Skipped
from reload_assets.cdc.skipped import Statement, read_statement
from reload_assets.finders.finding import Finding, Key
from reload_assets.finders.keys import as_given, described, unfit
from reload_assets.finders.watched import WatchedTable, WatchedTables
from reload_assets.postgres.catalog import Column, read_table
from reload_assets.postgres.statements import run
from reload_assets.windows import Window

WindowsFrom = Callable[[datetime, datetime], Iterator[Window]]
"""Yields the cadence's windows from the one that holds the first instant on, the last one cut at the second."""

# A statement is written down a little after its time; better to read it twice than not at all.
_LATE = timedelta(minutes=1)
_MARGIN = timedelta(seconds=5)
_PAGE = 5_000
_UNREAD = "The statement could not be read for the key of its row"
_EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class FedTable(WatchedTable):
    """A table of a group that a CDC task feeds, with its key where the configuration has one."""

    key: tuple[str, ...] | None


@dataclass(frozen=True)
class SkippedPage:
    """What a page of skipped statements led to, and the instant from which the next page is read.

    ``has_more``: it was a full page, and the next one is another.
    """

    findings: list[Finding]
    since: datetime
    has_more: bool


@dataclass
class _Statement:
    table: FedTable
    skipped: Skipped
    keys: list[Key]
    is_complete: bool
    verb: str | None
    is_harmless: bool
    unfit: list[Key] = field(default_factory=list)

    def as_row(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "group_name": self.table.group,
            "table_name": self.table.name,
            "keys": self.keys,
            "skipped_at": self.skipped.skipped_at.isoformat(),
            "is_harmless": self.is_harmless,
        }


@dataclass
class SkippedReader:
    """Reads the statements that one CDC task skipped, of the tables of our groups that it feeds."""

    cdc: Cdc
    tables: Sequence[FedTable]
    windows_from: WindowsFrom
    _keys: dict[FedTable, list[Column]] = field(default_factory=dict)

    def page(self, connection: Connection[Any], since: datetime | None) -> SkippedPage:
        """Read the next statements since an instant (UTC), all that are kept for None. Raises CdcNotReady.

        What a reload under way will judge is left for a later page.
        """
        start = since or _EARLIEST
        names = sorted({name.lower() for table in self.tables for name in (table.source.name, table.target.name)})
        listed = self.cdc.skipped_page(connection, names, start, _PAGE)
        statements = list(self._ours(connection, listed))
        self._set_unfit_apart(connection, statements)
        document = json.dumps([one.as_row(number) for number, one in enumerate(statements)])
        judged = dict(run(connection, "finders/skipped:list_judged", statements=document, margin=_MARGIN).fetchall())
        now = datetime.now(timezone.utc)
        until = max((one.skipped_at for one in listed), default=start)
        if len(listed) < _PAGE:
            until -= _LATE
        else:
            # A full page has all statements of its last instant.
            until += timedelta(microseconds=1)
        # A time that is to come, by a clock that is wrong, must not hide what is skipped until then.
        until = max(start, min(until, now - _LATE))
        pending = [statements[number].skipped.skipped_at for number, is_pending in judged.items() if is_pending]
        findings = [self._finding(one, now) for number, one in enumerate(statements) if number not in judged]
        read_until = min([until, *pending])
        return SkippedPage(findings, read_until, len(listed) >= _PAGE and read_until > start)

    def _ours(self, connection: Connection[Any], listed: Sequence[Skipped]) -> Iterator[_Statement]:
        tables = WatchedTables(self.tables)
        for skipped in listed:
            statement = read_statement(skipped.statement)
            named = tables.named(skipped.owner, skipped.table)
            if not named and statement is not None and len(statement.table) > 1:
                named = tables.named(*statement.table[-2:])
            if named:
                yield self._read(connection, named[0], skipped, statement)

    def _read(
        self, connection: Connection[Any], table: FedTable, skipped: Skipped, statement: Statement | None
    ) -> _Statement:
        columns = self._key(connection, table)
        names = [column.name for column in columns]
        given = statement.keys(names) if statement and names else ()
        keys = sorted({tuple(map(as_given, key, columns)) for key in given})
        complete = statement is not None and bool(names) and statement.is_read(names)
        verb = None if statement is None else statement.verb
        return _Statement(table, skipped, keys, complete, verb, is_harmless(skipped, statement))

    def _set_unfit_apart(self, connection: Connection[Any], statements: Sequence[_Statement]) -> None:
        """Take the keys that no row of production can have out of the statements' keys: no reload can select them."""
        for table, columns in self._keys.items():
            ours = [one for one in statements if one.table is table]
            wrong = unfit(connection, columns, [key for one in ours for key in one.keys])
            for one in ours:
                one.unfit = [key for key in one.keys if key in wrong]
                one.keys = [key for key in one.keys if key not in wrong]

    def _key(self, connection: Connection[Any], table: FedTable) -> list[Column]:
        """Return the columns of a table's key; none if production has no such columns."""
        if table not in self._keys:
            production = read_table(connection, table.target.schema, table.target.name)
            names = table.key or production.primary_key
            known = {column.name: column for column in production.columns}
            self._keys[table] = [known[name] for name in names] if all(name in known for name in names) else []
        return self._keys[table]

    def _finding(self, one: _Statement, now: datetime) -> Finding:
        task, at = self.cdc.task.resource, one.skipped.skipped_at
        seen = [task, one.skipped.owner, one.skipped.table, at.isoformat(), one.skipped.statement]
        # Neither the statement nor the error, which may quote values of the row.
        evidence = {
            "kind": one.verb or "unread",
            "sqlstate": sqlstate(one.skipped),
            "task": task,
            "error_time": at.isoformat(),
        }
        window = None
        if not one.keys:
            # By DMS's clock, which may be ahead.
            window = next(self.windows_from(min(at, now - timedelta(microseconds=1)), now))
            types = described(self._keys[one.table])
            why = f"No key of the statement fits the key ({types})" if one.unfit else _UNREAD
            evidence["note"] = f"{why}. The window holds the time of the error; the row may lie in another one."
        elif not one.is_complete:
            evidence["note"] = "The statement could be read for a part of its keys only."
        elif one.unfit:
            evidence["note"] = (
                f"Another key of the statement does not fit the key ({described(self._keys[one.table])})."
            )
        return Finding(
            finder="skipped",
            evidence_id=hashlib.sha256("\0".join(seen).encode()).hexdigest(),
            group=one.table.group,
            table=one.table.name,
            keys=one.keys,
            window=window,
            evidence=evidence,
            seen_at=at,
            is_complete=one.is_complete or not one.keys,
        )
