"""The source's log of changes: a logical replication slot of the PostgreSQL stand-in, read by plain SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from reload_assets.local.dms.engine import TaskFailed
from reload_assets.local.dms.pgoutput import Decoder, Transaction
from reload_assets.local.oracle import SUPPLEMENTAL_LOG

_NO_LOG = (
    f"Supplemental logging is not enabled on the source database: the publication {SUPPLEMENTAL_LOG} is missing. "
    f"Run CREATE PUBLICATION {SUPPLEMENTAL_LOG} FOR ALL TABLES there as a superuser."
)
# The order matters: what is visible at the instant has its commit record before the position that is taken after it.
_MARK = """
SELECT clock_timestamp() AT TIME ZONE 'UTC', pg_current_wal_insert_lsn() - '0/0', pg_current_wal_flush_lsn() - '0/0'
"""
# Messages of known transactions are read without their data, only to be counted.
_PEEK = """
SELECT CASE WHEN xid::text <> ALL (%s) THEN data END
FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s, 'proto_version', '1', 'publication_names', %s)
"""


_PAGE = 8192
# Reading the log takes milliseconds. If it takes longer, it is tried a second time without this limit.
_SHORTLY = "SET LOCAL statement_timeout = '1s'"


@dataclass(frozen=True)
class Mark:
    """Everything that was visible on the source at ``instant`` was committed in the log before ``position``.

    ``instant`` is by the source's clock, in UTC without a zone. The log can be read up to ``flushed``.
    """

    instant: datetime
    position: int
    flushed: int

    @property
    def breaks_off(self) -> bool:
        """Whether the readable part probably ends within a record: it ends with a page, and the log continues."""
        return self.flushed % _PAGE == 0 and self.position > self.flushed


class ChangeLog:
    """One task's slot. Log positions (LSN) are integers here; see ``shown``."""

    def __init__(self, source: psycopg.Connection[Any], slot: str) -> None:
        self._source, self._slot = source, slot
        self._decoder = Decoder()
        self._can_shorten = True

    def check(self) -> None:
        """Raise TaskFailed if the source does not keep a log that can be read."""
        if not self._source.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", (SUPPLEMENTAL_LOG,)).fetchone():
            raise TaskFailed(_NO_LOG)

    def position(self) -> int | None:
        """Return the position up to which the slot's changes were taken; None if there is no slot."""
        query = "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s"
        row = self._source.execute(query, (self._slot,)).fetchone()
        return int(row[0]) if row else None

    def create(self) -> int:
        """Make the slot, which waits for the transactions that are open on the source; where its changes begin."""
        query = "SELECT lsn - '0/0' FROM pg_create_logical_replication_slot(%s, 'pgoutput')"
        row = self._source.execute(query, (self._slot,)).fetchone()
        assert row is not None
        return int(row[0])

    def drop(self) -> None:
        """Drop the slot if there is one."""
        query = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
        self._source.execute(query, (self._slot,))

    def mark(self) -> Mark:
        """Return the mark of this moment."""
        row = self._source.execute(_MARK).fetchone()
        assert row is not None
        return Mark(row[0], int(row[1]), int(row[2]))

    def flush(self) -> None:
        """Make everything in the log readable: records of an open transaction may stay unflushed for seconds.

        A commit flushes the log, so this commits a message, which nobody reads.
        """
        self._source.execute("SELECT pg_logical_emit_message(true, 'dms', '')")

    def peek(self, known: Collection[Transaction], most: int) -> tuple[list[Transaction], bool]:
        """Return the transactions after those that are ``known`` and not yet taken, in the order of their commits, and
        whether these are all: the log is read until it has given ``most`` messages of new ones, or to its end.
        """
        limit = most + sum(one.messages for one in known)
        xids = [str(one.xid) for one in known]
        wanted = (xids, self._slot, limit, SUPPLEMENTAL_LOG)
        try:
            with self._source.transaction():
                self._source.execute(_SHORTLY)
                messages = self._messages(wanted)
        except psycopg.errors.QueryCanceled:
            # The flushed part of the log ended within a record. The server waits until somebody flushes the rest of
            # it, which may take long if nobody writes.
            self.flush()
            messages = self._messages(wanted)
        found = [self._decoder.feed(message) for (message,) in messages if message is not None]
        return [one for one in found if one], len(messages) < limit

    def _messages(self, wanted: tuple[Any, ...]) -> list[tuple[bytes | None]]:
        with self._source.cursor(binary=True) as cursor:
            return cursor.execute(_PEEK, wanted).fetchall()

    def shorten(self) -> None:
        """Keep reading a busy log cheap, if the role and the version allow it.

        Each read starts at the last snapshot of running transactions, which the server itself writes only every 15
        seconds.
        """
        if self._can_shorten:
            try:
                self._source.execute("SELECT pg_log_standby_snapshot()")
            except (psycopg.errors.UndefinedFunction, psycopg.errors.InsufficientPrivilege):
                self._can_shorten = False

    def take(self, position: int) -> None:
        """Note that everything up to ``position`` is applied, so that the slot does not return it again."""
        self._source.execute("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", (self._slot, shown(position)))


def shown(position: int) -> str:
    """Return a log position as PostgreSQL writes it: ``0/16B3748``."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
