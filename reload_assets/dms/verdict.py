"""Judges a load by its task and table statistics, as DescribeReplicationTasks and DescribeTableStatistics return them.

Neither ``stopped`` nor 100 percent means success: loads were seen to end as ``stopped`` with FULL_LOAD_ONLY_FINISHED
and tables in error, and tasks were seen to fail at 100 percent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.calls import clean
from reload_assets.errors.dms import LoadIncomplete

FINISHED = "FULL_LOAD_ONLY_FINISHED"
COMPLETED = "Table completed"
_LONGEST_QUOTE = 600
# PostgreSQL quotes values as it quotes names, but after a colon or the word value. A line that is cut off ends nowhere.
_TEXT_LITERAL = re.compile(r"(\bTable '[^']*'\.'[^']*')|'(?:[^']|'')*(?:'|$)")
_VALUE = re.compile(r'((?:: |\bvalue |\bstring )\s*)"(?:[^"]|"")*(?:"|$)')
_HINTS = {
    "NORMAL": "somebody stopped it",
    "STOPPED_DUE_TO_LOW_MEMORY": "the replication instance is too small",
    "STOPPED_DUE_TO_LOW_DISK": "the replication instance's disk is full",
    "EXPRESS_LICENSE_LIMITS_REACHED": "the replication engine's licence limit was reached",
}

TableName = tuple[str, str]


@dataclass(frozen=True)
class Progress:
    """The progress of a load, in DMS's own words and counts; ``elapsed_seconds`` is by DMS's clock."""

    status: str
    percent: int
    tables_loaded: int
    tables_loading: int
    tables_queued: int
    tables_errored: int
    rows: int
    elapsed_seconds: float


@dataclass(frozen=True)
class LoadResult:
    """A load that succeeded: rows by (source schema, source table) as DMS counts them, and its seconds.

    DMS was seen to count rows that it never committed, so only the rows that PostgreSQL has can be trusted.
    """

    task_arn: str
    stop_reason: str
    rows: dict[TableName, int]
    seconds: float


def progress_of(task: Mapping[str, Any], statistics: Sequence[Mapping[str, Any]]) -> Progress:
    """Return the progress that the answers show; zeros while DMS reports none."""
    stats = task.get("ReplicationTaskStats") or {}
    return Progress(
        status=task["Status"],
        percent=stats.get("FullLoadProgressPercent", 0),
        tables_loaded=stats.get("TablesLoaded", 0),
        tables_loading=stats.get("TablesLoading", 0),
        tables_queued=stats.get("TablesQueued", 0),
        tables_errored=stats.get("TablesErrored", 0),
        rows=sum(table.get("FullLoadRows", 0) for table in statistics),
        elapsed_seconds=stats.get("ElapsedTimeMillis", 0) / 1000,
    )


def stop_reason(task: Mapping[str, Any]) -> str:
    """Return the stop reason alone, such as ``FATAL_ERROR``; empty if there is none.

    For real failures, DMS buries it in a longer text.
    """
    for text in (task.get("StopReason"), task.get("LastFailureMessage")):
        if found := re.search(r"Stop Reason (\w+)", text or ""):
            return found[1]
    return ""


def judge(
    task: Mapping[str, Any], statistics: Sequence[Mapping[str, Any]], expected: Collection[TableName]
) -> LoadResult:
    """Return the result of a task that has ended.

    A load succeeded if its status is ``stopped``, its stop reason FULL_LOAD_ONLY_FINISHED, no table is in error, and
    exactly the expected tables (source schema, source table) are ``Table completed`` without a refused row. Raises
    LoadFailed, with what was wrong and DMS's own text.
    """
    reason = stop_reason(task)
    faults = [*_task_faults(task, reason), *_table_faults(task, statistics, expected)]
    if faults:
        raise LoadIncomplete(name_of(task), "; ".join(faults), _quoted(task))
    return LoadResult(
        task_arn=task["ReplicationTaskArn"],
        stop_reason=reason,
        rows={_name(table): table.get("FullLoadRows", 0) for table in statistics},
        seconds=progress_of(task, statistics).elapsed_seconds,
    )


def name_of(task: Mapping[str, Any]) -> str:
    """Return the task's identifier, by which people know it; the end of the ARN is opaque."""
    return str(task.get("ReplicationTaskIdentifier") or task["ReplicationTaskArn"])


def _task_faults(task: Mapping[str, Any], reason: str) -> list[str]:
    if task["Status"] != "stopped":
        return [f"it ended as '{task['Status']}'" + (f" with {reason}" if reason else "")]
    if reason != FINISHED:
        hint = f" ({_HINTS[reason]})" if reason in _HINTS else ""
        return [f"it stopped with {reason or 'no stop reason'}{hint}, not with {FINISHED}"]
    return []


def _table_faults(
    task: Mapping[str, Any], statistics: Sequence[Mapping[str, Any]], expected: Collection[TableName]
) -> list[str]:
    by_name = {_name(table): table for table in statistics}
    faults = []
    for name in sorted(expected):
        table = by_name.get(name)
        if table is None:
            faults.append(f"{'.'.join(name)} was not found in the source or not selected")
        elif table.get("TableState") != COMPLETED:
            faults.append(f"{'.'.join(name)} is '{table.get('TableState')}' after {table.get('FullLoadRows', 0)} rows")
        elif table.get("FullLoadErrorRows"):
            faults.append(f"{'.'.join(name)} lacks {table['FullLoadErrorRows']} rows that the target refused")
    # The underscore in a name may match other tables too, and their rows would land beside or among ours.
    if others := sorted(".".join(name) for name in by_name if name not in expected):
        faults.append(f"it loaded tables that were not asked for: {', '.join(others)}")
    errored = progress_of(task, statistics).tables_errored
    if errored and not faults:
        faults.append(f"DMS counts {errored} tables in error")
    return faults


def _name(table: Mapping[str, Any]) -> TableName:
    return table["SchemaName"], table["TableName"]


def without_values(text: str) -> str:
    """Return DMS's text on a failure up to its stop reason, in one line and without the values of rows.

    The ledger keeps it, and a COPY error quotes the row: in its primary message (``invalid input syntax for type
    integer: "..."``), in DETAIL (``Key (id)=(...)``) and in CONTEXT (``COPY orders, line 3, column amount: "..."``), or
    DMS the whole statement. Of CONTEXT the place of the row is kept.
    """
    said = re.split(r"\s*\bStop Reason\b", text, maxsplit=1)[0]
    line = re.search(r"\bCONTEXT:\s*(COPY \S+, line \d+(?:, column [^\s:,]+)?)", said)
    said = re.split(r"\s*\b(?:DETAIL|HINT|CONTEXT|Statement):", said, maxsplit=1)[0]
    said = _TEXT_LITERAL.sub(lambda found: found[1] or "'...'", clean(said))
    said = _VALUE.sub(r'\1"..."', said)
    return f"{said} ({line[1]})" if line else said


def _with_reason(text: str) -> str:
    """Return the text without values, with its stop reason."""
    reason = re.search(r"\bStop Reason\b.*", " ".join(text.split()))
    return " ".join(part for part in (without_values(text), clean(reason[0]) if reason else "") if part)


def _quoted(task: Mapping[str, Any]) -> str:
    """Return DMS's own text: the longer one of its two places; empty if it is only the stop reason."""
    texts = [_with_reason(task.get(key) or "") for key in ("LastFailureMessage", "StopReason")]
    said = max(texts, key=len)
    if re.fullmatch(r"(Stop Reason \w+)?", said):
        return ""
    return said if len(said) <= _LONGEST_QUOTE else said[:_LONGEST_QUOTE] + "..."
