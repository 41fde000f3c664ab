"""``windows.first`` as it is written: a day, or a time of a day, in the zone of the windows."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

_WRITTEN = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))? ?(Z|[+-]\d\d:\d\d)?")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)")
_YEARS = range(1900, 2200)


def read_first(value: object, zone: ZoneInfo) -> datetime:
    """Return the UTC instant that ``windows.first`` means; without an offset it is a time of ``zone``.

    Raises ValueError, which says how to write it, for anything that is not a day or a time: YAML reads 20250101 as a
    number, 12:30:00 as another one, and ``yes`` as a truth value, and each of them could pass for seconds since 1970.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)
    else:
        moment = _parse(value)
    try:
        instant = moment.replace(tzinfo=moment.tzinfo or zone).astimezone(timezone.utc)
    except OverflowError:
        # On the first or the last day that there is.
        instant = moment.replace(tzinfo=timezone.utc)
    if instant.year not in _YEARS:
        raise ValueError(
            f"{moment.isoformat()} is not in the years {_YEARS[0]} to {_YEARS[-1]}; write the day of the oldest rows "
            "that the cadence is to reload, and reload earlier ones by ad-hoc windows"
        )
    return instant


def _parse(value: object) -> datetime:
    parts = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if parts is None:
        raise ValueError(f"{value!r} is not a day; {_fix(value)}")
    day, time, offset = parts[1], parts[2] or "00:00", (parts[3] or "").replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{day}T{time}{offset}")
    except ValueError as error:
        raise ValueError(f"{value!r} is not a day ({error}); {_fix(value)}") from None


def _fix(value: object) -> str:
    """Say how to write a first window, by the very day that is written without its hyphens."""
    parts = _COMPACT.fullmatch(str(value))
    try:
        day = date(*map(int, parts.groups())).isoformat() if parts else "2025-01-01"
    except ValueError:
        day = "2025-01-01"
    return f"write a day as {day}, or a time as {day}T06:00 (in windows.time_zone) or {day}T06:00Z (in UTC)"
