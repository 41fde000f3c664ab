"""The task settings of a reload: stop at the first thing that went wrong, and leave staging tables as they are."""

from __future__ import annotations

from typing import Any


def task_settings(
    *,
    commit_rate: int,
    max_sub_tasks: int,
    lob_max_kb: int,
) -> dict[str, Any]:
    """Settings of a full-load task that loads existing staging tables.

    ``commit_rate`` is rows a commit (DMS: at most 50000), ``max_sub_tasks`` the tables loaded at once (at most 49).
    LOBs longer than ``lob_max_kb`` KB are cut with no more than a warning in DMS's log. DMS fills in what is left out,
    so what it echoes is never what was sent.
    """
    return {
        # Without LOB support the LOB columns are left out, and COPY, which goes by position, shifts the others.
        "TargetMetadata": {
            "SupportLobs": True,
            "FullLobMode": False,
            "LimitedSizeLobMode": True,
            "LobMaxSize": lob_max_kb,
        },
        "FullLoadSettings": {
            "TargetTablePrepMode": "DO_NOTHING",
            "MaxFullLoadSubTasks": max_sub_tasks,
            "CommitRate": commit_rate,
        },
        # The CloudWatch names can only be read: DMS refuses a task that sets them.
        "Logging": {"EnableLogging": True},
        # DMS's defaults log an error and go on: a load with rows missing would end as a success.
        "ErrorBehavior": {
            "DataErrorPolicy": "STOP_TASK",
            "DataTruncationErrorPolicy": "STOP_TASK",
            "TableErrorPolicy": "STOP_TASK",
            "TableErrorEscalationPolicy": "STOP_TASK",
            "FailOnNoTablesCaptured": True,
        },
        # A leftover awsdms_validation_failures_v2 can kill a load; the rows are compared by our own checks instead.
        "ValidationSettings": {"EnableValidation": False},
    }
