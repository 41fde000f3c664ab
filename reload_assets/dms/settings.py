"""The settings of our tasks: a load uses the existing tables and stops at the first error, a validation only looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reload_assets.dms.validation import MOST_FAILURES_OF_A_TABLE, MOST_FAILURES_OF_A_TASK


def task_settings(
    *,
    commit_rate: int,
    max_sub_tasks: int,
    lob_max_kb: int,
) -> dict[str, Any]:
    """Return the settings of a full-load task that loads into existing staging tables.

    ``commit_rate`` is rows per commit (DMS: at most 50000), ``max_sub_tasks`` the tables loaded at once (at most 49).
    DMS cuts LOBs longer than ``lob_max_kb`` KB, with only a warning in its log. DMS adds defaults for what is left out,
    so the settings that it returns are never those that were sent.
    """
    return {
        # Without LOB support DMS leaves out LOB columns, and its COPY, which matches by position, shifts the others.
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
        # DMS's defaults log an error and continue: a load that lacks rows would end as a success.
        "ErrorBehavior": {
            "DataErrorPolicy": "STOP_TASK",
            "DataTruncationErrorPolicy": "STOP_TASK",
            "TableErrorPolicy": "STOP_TASK",
            "TableErrorEscalationPolicy": "STOP_TASK",
            "FailOnNoTablesCaptured": True,
        },
        # A leftover table awsdms_validation_failures_v2 can make a load fail; our own checks compare the rows instead.
        "ValidationSettings": {"EnableValidation": False},
    }


def validation_settings(load_settings: Mapping[str, Any], control_schema: str) -> dict[str, Any]:
    """Return the settings of a full-load task that loads nothing and compares both sides once.

    It takes what both kinds of tasks have from the settings of a load. DMS notes the rows that differ in
    ``control_schema``.
    """
    return {
        **load_settings,
        "ControlTablesSettings": {"ControlSchema": control_schema},
        "ValidationSettings": {
            "EnableValidation": True,
            "ValidationOnly": True,
            # Otherwise keys that the two sides sort differently may be reported although their rows are equal.
            "HandleCollationDiff": True,
            "TableFailureMaxCount": MOST_FAILURES_OF_A_TABLE,
            "FailureMaxCount": MOST_FAILURES_OF_A_TASK,
        },
    }
