"""Looks at the source's server: the connection, its clock and zone, and what Oracle logs for CDC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from reload_assets.errors.source import SourceDenied
from reload_assets.preflight.finding import Finding, found
from reload_assets.preflight.network import look_at_encryption
from reload_assets.source.server import Logging, read_log_groups, read_logging, read_server
from reload_assets.tables import ReloadTable

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# By each of these CDC finds the row of an update.
_KEYS = {"PRIMARY KEY LOGGING", "UNIQUE KEY LOGGING", "ALL COLUMN LOGGING", "USER LOG GROUP"}
_ON_RDS = "on RDS: rdsadmin.rdsadmin_util"


def look_at_source(reader: SourceReader, zone: str) -> Iterator[Finding]:
    """Yield what holds for the server and the connection. Raises SourceUnavailable without the configured schema."""
    reader.check()
    server = read_server(reader)
    encrypted = server.protocol.lower() == "tcps"
    how = "encrypted" if encrypted else "not encrypted"
    what = f"source: {reader} is the primary; the connection is {how}"
    yield found("source-ready", "source", what)
    fix = "write protocol: tcps into source.connection"
    yield from look_at_encryption("source", str(reader), reader.host, encrypted=encrypted, fix=fix)
    here = f"{reader.now().astimezone(ZoneInfo(zone)):%z}"
    wanted = f"{here[:3]}:{here[3:]}"
    clock = f"source: its clock (SYSDATE) is at {server.offset}, its DBTIMEZONE is {server.database_zone}"
    if server.offset == wanted:
        yield found("zones-agree", "source", f"{clock}; source.time_zone {zone} is at {wanted} too")
    else:
        yield found(
            "zone-of-source",
            "source",
            f"{clock}, but source.time_zone {zone} is at {wanted}: windows are cut wrongly if SYSDATE or SYSTIMESTAMP "
            "fills the window columns",
            "write the zone in which the source's applications write their times into source.time_zone",
        )


def look_at_logging(reader: SourceReader, tables: Sequence[ReloadTable]) -> Iterator[Finding]:
    """Yield what Oracle logs too little of for CDC. Raises SourceUnavailable."""
    try:
        logging = read_logging(reader)
    except SourceDenied as error:
        yield found(
            "look-denied",
            "source",
            f"source: could not look at the archive log mode and the supplemental logging ({error.reason})",
            f"GRANT SELECT ON SYS.V_$DATABASE TO {reader.user} lets doctor look",
        )
        logging = Logging(archives=True, minimal=True, keys=False)
    else:
        yield from _database(reader, logging)
    if logging.keys:
        return
    for table in tables:
        if not _KEYS & read_log_groups(reader, table.source_schema, table.source_table):
            yield found(
                "key-not-logged",
                table.target,
                f"source: the key of updated rows of {table.source} is not logged, by which CDC finds them",
                f'ALTER TABLE "{table.source_schema}"."{table.source_table}" ADD SUPPLEMENTAL LOG DATA (PRIMARY KEY) '
                "COLUMNS, or set addSupplementalLogging in the source endpoint and restart the CDC task",
            )


def _database(reader: SourceReader, logging: Logging) -> Iterator[Finding]:
    if not logging.archives:
        yield found(
            "archive-log-off",
            "source",
            f"source: {reader} is in NOARCHIVELOG mode, in which DMS cannot read changes",
            "ALTER DATABASE ARCHIVELOG while it is mounted (on RDS: keep automated backups)",
        )
    if not logging.minimal:
        yield found(
            "supplemental-logging-off",
            "source",
            f"source: {reader} has no supplemental logging, without which DMS cannot read changes",
            f"ALTER DATABASE ADD SUPPLEMENTAL LOG DATA ({_ON_RDS}.alter_supplemental_logging('ADD'))",
        )
    if logging.archives and logging.minimal:
        yield found("logging-ready", "source", f"source: {reader} archives its redo log and has supplemental logging")
