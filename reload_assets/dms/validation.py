"""What a task that only validates reports about its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.verdict import FINISHED, TableName, name_of, stop_reason, without_values
from reload_assets.errors.validation import ValidationFailed

MOST_FAILURES_OF_A_TABLE = 1_000
"""TableFailureMaxCount by default: at this number of failures DMS stops to validate a table.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.DataValidation.html
"""
MOST_FAILURES_OF_A_TASK = 10_000
"""FailureMaxCount by default: at this number of failures DMS stops to validate the tables of a task."""

_COMPARED = ("Validated", "Mismatched records")
_WHY = {
    "No primary key": "DMS finds no primary key by which it can compare rows; a key that is a LOB or has more than "
    "1,024 characters does not count",
    "Suspended records": "DMS gave up on some of its rows, because too many differ or they keep changing; reload the "
    "windows that may be wrong",
    "Table error": "the table is in error; see the task's log, and whether DMS may read the table",
    "Error": "DMS cannot compare it; see the task's log, and whether DMS may read the table",
}


@dataclass(frozen=True)
class TableValidation:
    """What DMS says about the validation of one table of the source: its state, and numbers of records."""

    table: TableName
    state: str
    pending: int
    failed: int
    suspended: int
    details: str

    @property
    def is_compared(self) -> bool:
        """Whether all rows were compared."""
        return self.state in _COMPARED

    @property
    def why_not(self) -> str | None:
        """Why not all rows were compared, as a clause; None if they were."""
        if self.is_compared:
            return None
        why = _WHY.get(self.state, f"it ended as {self.state!r}; see the task's log, and launch the job again")
        return f'{why} (DMS says: "{self.details}")' if self.details else why


def validations(statistics: Sequence[Mapping[str, Any]]) -> list[TableValidation]:
    """Return what DescribeTableStatistics says about each table."""
    return [
        TableValidation(
            (table["SchemaName"], table["TableName"]),
            table.get("ValidationState") or "Not enabled",
            table.get("ValidationPendingRecords", 0),
            table.get("ValidationFailedRecords", 0),
            table.get("ValidationSuspendedRecords", 0),
            # It may quote a row, as the text on a failure does.
            without_values(table.get("ValidationStateDetails") or ""),
        )
        for table in statistics
    ]


def require_finished(task: Mapping[str, Any]) -> None:
    """Raise ValidationFailed for a task that ended otherwise than after it had compared its tables."""
    reason = stop_reason(task)
    if task["Status"] != "stopped" or reason != FINISHED:
        said = without_values(task.get("LastFailureMessage") or "")
        why = f" with {reason}" if reason else ""
        raise ValidationFailed(name_of(task), f"ended as '{task['Status']}'{why}" + (f' ("{said}")' if said else ""))
