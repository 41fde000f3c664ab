"""Words the errors when the source cannot be read: its address, the user and the driver's reason, no password."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from reload_assets.errors import without_secret
from reload_assets.errors.source import (
    SourceCallTimedOut,
    SourceDenied,
    SourceEncryption,
    SourceSnapshotTooOld,
    SourceUnreachable,
    SourceUnreadable,
)

# Python's words, and the driver's and Oracle's codes for wallets and certificates.
_ENCRYPTION = re.compile(r"\[SSL|certificate|wallet|\bORA-(?:28[67]\d\d|29024)\b")
# The driver's own words, and the stand-in's.
_TIMED_OUT = re.compile(r"\bDPY-4024\b|due to statement timeout")
_TOO_OLD = "ORA-01555"
# Oracle does not say whether a table is not there or not for this user: ORA-00942, and ORA-41900 from 23ai on.
_DENIED = re.compile(r"\bORA-(?:00942|01031|41900)\b|\bpermission denied for\b")
DEFAULT_PORTS = {"oracle": 1521, "postgresql": 5432}


def describe(url: URL) -> str:
    """Return the source's address and user: ``oracle db.example:1521/SALESPDB as user RELOAD``."""
    backend = url.get_backend_name()
    database = url.database or _first(url, "service_name") or _first(url, "sid")
    # An Oracle host may be an alias in tnsnames.ora, which has neither a port nor a database.
    port = url.port or (DEFAULT_PORTS.get(backend) if database else None)
    place = (url.host or "localhost") + (f":{port}" if port else "") + (f"/{database}" if database else "")
    return f"{backend} {place} as user {url.username or '(none)'}"


def reason(error: Exception, secrets: Iterable[str]) -> str:
    """Return the driver's own words on one line, without SQLAlchemy's statement, parameters and links."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith("Help:"))
    text = re.sub(r"\s*\(CONNECTION_ID=[^)]*\)", "", text).rstrip(" .")
    for secret in secrets:
        text = without_secret(text, secret)
    return text


def refusal(place: str, said: str) -> SourceEncryption | SourceUnreachable:
    """Return the error of a login that failed, by the driver's own words."""
    return SourceEncryption(place, said) if _ENCRYPTION.search(said) else SourceUnreachable(place, said)


def failure(place: str, said: str) -> SourceCallTimedOut | SourceDenied | SourceSnapshotTooOld | SourceUnreadable:
    """Return the error of a read that failed, by the driver's own words."""
    if _TIMED_OUT.search(said):
        return SourceCallTimedOut(place, said)
    if _DENIED.search(said):
        return SourceDenied(place, said)
    return SourceSnapshotTooOld(place, said) if _TOO_OLD in said else SourceUnreadable(place, said)


def _first(url: URL, option: str) -> str | None:
    value = url.query.get(option)
    return value if isinstance(value, str) or value is None else value[0]
