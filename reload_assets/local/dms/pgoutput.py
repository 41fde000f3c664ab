"""The messages of PostgreSQL's ``pgoutput`` plugin (protocol version 1), put together to whole transactions."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# PostgreSQL counts microseconds from here.
_EPOCH = datetime(2000, 1, 1)

Row = Mapping[str, str | None]
"""Values by source column, as text; a TOAST value that an update left alone is not in it."""


@dataclass(frozen=True)
class Relation:
    """A source table as the log describes it; ``columns`` are names with whether they belong to the row's identity."""

    oid: int
    schema: str
    name: str
    columns: tuple[tuple[str, bool], ...]

    @property
    def identity(self) -> tuple[str, ...]:
        return tuple(name for name, identifies in self.columns if identifies)


@dataclass(frozen=True)
class Change:
    """One change: ``kind`` is insert, update, delete or truncate. An update has an ``old`` row where the table logs old
    rows, or its key where that changed; a delete has nothing else.
    """

    kind: str
    relation: Relation
    old: Row | None = None
    new: Row | None = None


@dataclass(frozen=True)
class Transaction:
    """A committed transaction. ``commit`` and ``end`` are where its commit record begins and ends in the log (LSN);
    ``instant`` is its commit, UTC without a zone, by the source's clock; ``messages`` is how many it took.
    """

    xid: int
    commit: int
    end: int
    instant: datetime
    messages: int
    changes: tuple[Change, ...]


@dataclass
class _Open:
    xid: int
    messages: int = 0
    changes: list[Change] = field(default_factory=list)


class Decoder:
    """Takes messages in the order of the log. Relations are described once, so one decoder reads one session's log."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}
        self._open: _Open | None = None

    def feed(self, message: bytes) -> Transaction | None:
        """Return the transaction that this message completes, if it does.

        Raises ValueError for a message out of place.
        """
        kind, reader = message[:1], _Reader(message, 1)
        if kind == b"B":
            reader.take("!qq")
            self._open = _Open(reader.take("!I")[0])
        elif kind == b"R":
            relation = reader.relation()
            self._relations[relation.oid] = relation
        elif kind in (b"I", b"U", b"D", b"T", b"C"):
            if self._open is None:
                raise ValueError(f"pgoutput sent {kind!r} outside of a transaction.")
            if kind == b"C":
                return self._commit(reader)
            self._open.changes += self._changes(kind, reader)
        # Types, origins and messages of applications say nothing about rows.
        if self._open:
            self._open.messages += 1
        return None

    def _commit(self, reader: _Reader) -> Transaction:
        assert self._open is not None
        _, commit, end, microseconds = reader.take("!Bqqq")
        done, self._open = self._open, None
        instant = _EPOCH + timedelta(microseconds=microseconds)
        return Transaction(done.xid, commit, end, instant, done.messages + 1, tuple(done.changes))

    def _changes(self, kind: bytes, reader: _Reader) -> list[Change]:
        if kind == b"T":
            count, _ = reader.take("!iB")
            return [Change("truncate", self._relations[reader.take("!I")[0]]) for _ in range(count)]
        relation = self._relations[reader.take("!I")[0]]
        marker = reader.marker()
        old: Row | None = None
        new: Row | None = None
        if marker in (b"K", b"O"):
            old = reader.row(relation)
            if marker == b"K":
                # Whatever is not of the key comes as NULL, which it need not be.
                old = {name: old[name] for name in relation.identity}
            marker = reader.marker()
        if marker == b"N":
            new = reader.row(relation)
        return [Change({b"I": "insert", b"U": "update", b"D": "delete"}[kind], relation, old, new)]


class _Reader:
    def __init__(self, message: bytes, offset: int) -> None:
        self._message, self._offset = message, offset

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._message, self._offset)
        self._offset += struct.calcsize(layout)
        return values

    def marker(self) -> bytes:
        self._offset += 1
        return self._message[self._offset - 1 : self._offset]

    def text(self) -> str:
        end = self._message.index(0, self._offset)
        value = self._message[self._offset : end].decode()
        self._offset = end + 1
        return value

    def relation(self) -> Relation:
        oid = self.take("!I")[0]
        schema, name = self.text(), self.text()
        _, count = self.take("!ch")
        columns = []
        for _ in range(count):
            flags = self.take("!B")[0]
            columns.append((self.text(), bool(flags & 1)))
            self.take("!Ii")  # the type and its modifier
        return Relation(oid, schema, name, tuple(columns))

    def row(self, relation: Relation) -> Row:
        count = self.take("!h")[0]
        values: dict[str, str | None] = {}
        for name, _ in relation.columns[:count]:
            kind = self.marker()
            if kind == b"n":
                values[name] = None
            elif kind == b"t":
                length = self.take("!i")[0]
                values[name] = self._message[self._offset : self._offset + length].decode()
                self._offset += length
        return values
