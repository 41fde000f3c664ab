"""Errors of windows, partition keys and reload requests."""

from __future__ import annotations

from reload_assets.errors import ReloadError, WindowError, sample


class WindowWithWrongZone(WindowError):
    """An instant has a time zone where none is allowed, or is not in UTC where it has to be."""

    code = "window-zone"
    advice = "Pass UTC instants to `Window`, and wall-clock times of the source's zone, without a zone, to a filter."
    example = sample(instant="2025-01-03T00:00:00+01:00", wanted="UTC")

    def __init__(self, instant: str, wanted: str) -> None:
        super().__init__(f"The bound {instant} of the window is not in {wanted}; convert it first.")


class WindowReversed(WindowError):
    """The end of a window is not after its start."""

    code = "window-reversed"
    advice = "Give an end that is later than the start; a window is half-open, `[start, end)`."
    example = sample(start="2025-01-03T00:00:00Z", end="2025-01-02T00:00:00Z")

    def __init__(self, start: str, end: str) -> None:
        super().__init__(f"The window ends at {end}, which is not after its start {start}; give a later end.")


class WindowInFuture(WindowError):
    """A part of the window is still in the future: its rows can still change."""

    code = "window-in-future"
    advice = "Reload the window once it has ended, or ask for one that ends earlier."
    example = sample(window="2025-01-03T00:00:00Z--2025-01-04T00:00:00Z", now="2025-01-03T09:45:00Z")

    def __init__(self, window: str, now: str) -> None:
        super().__init__(f"The window {window} ends in the future (now is {now}); reload it once it has ended.")


class WindowOutOfRange(WindowError):
    """A bound of the window, with its margin or in the source's zone, is not in the years 1 to 9999."""

    code = "window-out-of-range"
    advice = "Reload a window that begins a day and the margin later, or ends a day earlier: no row can lie beyond."
    example = sample(
        window="0001-01-01T00:00:00Z--0001-01-02T00:00:00Z", what="its wall-clock times in America/New_York lie"
    )

    def __init__(self, window: str, what: str) -> None:
        super().__init__(
            f"The window {window} cannot be reloaded, as {what} outside the years 1 to 9999; let it begin later, or "
            "end earlier."
        )


class PartitionKeyInvalid(WindowError):
    """A partition key names neither a window of the cadence nor two UTC instants."""

    code = "partition-key-invalid"
    advice = "Pick a partition that the UI offers. Ad-hoc keys are `2025-01-03T04:10:00Z--2025-01-03T09:45:00Z`."
    example = sample(
        key="2025-1-3", why="", fix="pick one of the cadence's windows that the UI offers, such as '2025-01-01'"
    )

    def __init__(self, key: str, why: str, fix: str) -> None:
        super().__init__(f"The partition key {key!r} is not a window{f' ({why})' if why else ''}; {fix}.")


class InstantInvalid(WindowError):
    """An option of a command is not a day or an instant in UTC."""

    code = "instant-invalid"
    advice = "Write a day as `2025-01-03`, or an instant with its zone as `2025-01-03T04:10Z`."
    example = sample(option="--from", written="3.1.2025")

    def __init__(self, option: str, written: str) -> None:
        super().__init__(
            f"{option}: {written!r} is not an instant; write a day as 2025-01-03, or an instant with its zone as "
            "2025-01-03T04:10Z."
        )


class RequestInvalid(ReloadError):
    """What is requested cannot become a run: a row of `admin.reload_requests` (its `error` has the message), or a
    command."""

    code = "request-invalid"
    advice = "Insert a new row with the named column fixed, or fix the command."
    example = sample(column="tables", problem="the list is empty; leave it NULL for all tables of the group.")

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"{column}: {problem}")
