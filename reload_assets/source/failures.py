"""Words the errors when the source cannot be read: its address, the user and the driver's reason, no password."""

from __future__ import annotations

import re

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

DEFAULT_PORTS = {"oracle": 1521, "postgresql": 5432}


def describe(url: URL) -> str:
    """Return the source's address and user: ``oracle db.example:1521/SALESPDB as user RELOAD``."""
    backend = url.get_backend_name()
    database = url.database or _first(url, "service_name") or _first(url, "sid")
    # An Oracle host may be an alias in tnsnames.ora, which has neither a port nor a database.
    port = url.port or (DEFAULT_PORTS.get(backend) if database else None)
    place = (url.host or "localhost") + (f":{port}" if port else "") + (f"/{database}" if database else "")
    return f"{backend} {place} as user {url.username or '(none)'}"


def reason(error: Exception, password: str | None) -> str:
    """Return the driver's own words on one line, without SQLAlchemy's statement, parameters and links."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith("Help:"))
    text = re.sub(r"\s*\(CONNECTION_ID=[^)]*\)", "", text).rstrip(" .")
    return text.replace(password, "***") if password else text


def _first(url: URL, option: str) -> str | None:
    value = url.query.get(option)
    return value if isinstance(value, str) or value is None else value[0]
