"""What the source's server says of itself and of this session, which needs no right; and the length of a LOB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from reload_assets.source import dictionary

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class Server:
    """How a session reaches the server, and which time it is there.

    ``protocol``: ``tcps`` if the connection is encrypted. ``offset``: of the server's clock, which SYSDATE shows, from
    UTC, as ``+01:00``. ``database_zone``: DBTIMEZONE, in which only TIMESTAMP WITH LOCAL TIME ZONE is kept.
    """

    protocol: str
    offset: str
    database_zone: str


@dataclass(frozen=True)
class Logging:
    """What Oracle logs: whether it archives its redo log, logs what LogMiner needs, and the keys of all tables."""

    archives: bool
    minimal: bool
    keys: bool


class source_protocol(FunctionElement[str]):
    """``source_protocol()``: ``tcps`` for an encrypted connection, otherwise ``tcp``."""

    type = sa.String()
    inherit_cache = True


class source_offset(FunctionElement[str]):
    """``source_offset()``: the offset of the server's clock from UTC, as ``+01:00``."""

    type = sa.String()
    inherit_cache = True


class source_zone(FunctionElement[str]):
    """``source_zone()``: the zone of the database."""

    type = sa.String()
    inherit_cache = True


class lob_length(FunctionElement[int]):
    """``lob_length(column)``: characters of a text, bytes of others. Oracle keeps it beside the value."""

    type = sa.Integer()
    inherit_cache = True


def session_and_clock() -> sa.Select[tuple[str, str, str]]:
    """Return the protocol of this session, the offset of the server's clock, and the zone of the database."""
    return sa.select(source_protocol(), source_offset(), source_zone())


def read_server(reader: SourceReader) -> Server:
    """Return how a reader's session reaches the server, and which time it is there. Raises SourceUnavailable."""
    ((protocol, offset, zone),) = reader.read(session_and_clock())
    return Server(str(protocol), str(offset), str(zone))


def read_logging(reader: SourceReader) -> Logging:
    """Return what Oracle logs of each change. Raises SourceDenied if this user may not read V$DATABASE."""
    ((mode, minimal, keys, everything),) = reader.read(dictionary.logging())
    return Logging(mode == "ARCHIVELOG", minimal != "NO", "YES" in (keys, everything))


def read_log_groups(reader: SourceReader, schema: str, table: str) -> set[str]:
    """Return the kinds of a table's own supplemental log groups, such as ``PRIMARY KEY LOGGING``."""
    return {kind for (kind,) in reader.read(dictionary.log_groups(schema, table))}


@compiles(source_protocol, "oracle")
def _oracle_protocol(element: source_protocol, compiler: SQLCompiler, **options: Any) -> str:
    return "SYS_CONTEXT('USERENV', 'NETWORK_PROTOCOL')"


@compiles(source_protocol, "postgresql")
def _postgresql_protocol(element: source_protocol, compiler: SQLCompiler, **options: Any) -> str:
    return "(SELECT CASE WHEN ssl THEN 'tcps' ELSE 'tcp' END FROM pg_stat_ssl WHERE pid = pg_backend_pid())"


@compiles(source_offset, "oracle")
def _oracle_offset(element: source_offset, compiler: SQLCompiler, **options: Any) -> str:
    return "TO_CHAR(SYSTIMESTAMP, 'TZH:TZM')"


@compiles(source_offset, "postgresql")
def _postgresql_offset(element: source_offset, compiler: SQLCompiler, **options: Any) -> str:
    return "TO_CHAR(CLOCK_TIMESTAMP(), 'TZH:TZM')"


@compiles(source_zone, "oracle")
def _oracle_zone(element: source_zone, compiler: SQLCompiler, **options: Any) -> str:
    return "DBTIMEZONE"


@compiles(source_zone, "postgresql")
def _postgresql_zone(element: source_zone, compiler: SQLCompiler, **options: Any) -> str:
    return "CURRENT_SETTING('TimeZone')"


@compiles(lob_length, "oracle")
def _oracle_lob_length(element: lob_length, compiler: SQLCompiler, **options: Any) -> str:
    return f"DBMS_LOB.GETLENGTH({compiler.process(element.clauses, **options)})"


@compiles(lob_length, "postgresql")
def _postgresql_lob_length(element: lob_length, compiler: SQLCompiler, **options: Any) -> str:
    return f"LENGTH({compiler.process(element.clauses, **options)})"
