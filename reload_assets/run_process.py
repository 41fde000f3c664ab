"""The process of a run that nobody supervises: a run from a terminal dies with it, and Dagster does not notice."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

HOST_TAG = "reload_assets/host"
PROCESS_TAG = "reload_assets/process"


def process_tags() -> dict[str, str]:
    """Return the tags of a run in this very process."""
    return {HOST_TAG: socket.gethostname(), PROCESS_TAG: f"{os.getpid()} {_started(os.getpid())}"}


def has_died(tags: Mapping[str, str]) -> bool:
    """Return whether the process of a run is gone. False for a run without these tags, or of another host."""
    if tags.get(HOST_TAG) != socket.gethostname():
        return False
    pid, _, started = tags.get(PROCESS_TAG, "").partition(" ")
    return pid.isdigit() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return when a process was started, so that a later one of the same number is not taken for it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name in brackets may hold blanks and brackets.
            return file.read().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        pass
    if os.path.isdir("/proc/self"):
        return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "unknown"
