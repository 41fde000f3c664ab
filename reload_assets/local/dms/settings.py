"""Task settings: partial JSON is accepted and completed with the defaults of the service."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from reload_assets.local.dms.protocol import invalid

# The groups and defaults as the service echoes them; groups that this stand-in never reads are kept short.
DEFAULTS: Mapping[str, Any] = {
    "TargetMetadata": {
        "TargetSchema": "",
        "SupportLobs": True,
        "FullLobMode": False,
        "LobChunkSize": 64,
        "LimitedSizeLobMode": True,
        "LobMaxSize": 32,
        "InlineLobMaxSize": 0,
        "LoadMaxFileSize": 0,
        "ParallelLoadThreads": 0,
        "ParallelLoadBufferSize": 0,
        "ParallelLoadQueuesPerThread": 0,
        "ParallelApplyThreads": 0,
        "ParallelApplyBufferSize": 0,
        "ParallelApplyQueuesPerThread": 0,
        "BatchApplyEnabled": False,
        "TaskRecoveryTableEnabled": False,
    },
    "FullLoadSettings": {
        "TargetTablePrepMode": "DO_NOTHING",
        "CreatePkAfterFullLoad": False,
        "StopTaskCachedChangesApplied": False,
        "StopTaskCachedChangesNotApplied": False,
        "MaxFullLoadSubTasks": 8,
        "TransactionConsistencyTimeout": 600,
        "CommitRate": 10000,
    },
    "TTSettings": {"EnableTT": False, "FailTaskOnTTFailure": False, "TTS3Settings": None, "TTRecordSettings": None},
    "Logging": {
        "EnableLogging": False,
        "EnableLogContext": False,
        "LogComponents": [],
        "CloudWatchLogGroup": None,
        "CloudWatchLogStream": None,
    },
    "ControlTablesSettings": {
        "ControlSchema": "",
        "HistoryTimeslotInMinutes": 5,
        "HistoryTableEnabled": False,
        "SuspendedTablesTableEnabled": False,
        "StatusTableEnabled": False,
        "FullLoadExceptionTableEnabled": False,
    },
    "StreamBufferSettings": {"StreamBufferCount": 3, "StreamBufferSizeInMB": 8, "CtrlStreamBufferSizeInMB": 5},
    "ChangeProcessingTuning": {
        "BatchApplyPreserveTransaction": True,
        "BatchApplyTimeoutMin": 1,
        "BatchApplyTimeoutMax": 30,
        "BatchApplyMemoryLimit": 500,
        "BatchSplitSize": 0,
        "MinTransactionSize": 1000,
        "CommitTimeout": 1,
        "MemoryLimitTotal": 1024,
        "MemoryKeepTime": 60,
        "StatementCacheSize": 50,
    },
    "ChangeProcessingDdlHandlingPolicy": {
        "HandleSourceTableDropped": True,
        "HandleSourceTableTruncated": True,
        "HandleSourceTableAltered": True,
    },
    "LoopbackPreventionSettings": None,
    "CharacterSetSettings": None,
    "BeforeImageSettings": None,
    "ErrorBehavior": {
        "DataErrorPolicy": "LOG_ERROR",
        "DataTruncationErrorPolicy": "LOG_ERROR",
        "DataErrorEscalationPolicy": "SUSPEND_TABLE",
        "DataErrorEscalationCount": 0,
        "DataMaskingErrorPolicy": "STOP_TASK",
        "EventErrorPolicy": "IGNORE",
        "TableErrorPolicy": "SUSPEND_TABLE",
        "TableErrorEscalationPolicy": "STOP_TASK",
        "TableErrorEscalationCount": 0,
        "RecoverableErrorCount": -1,
        "RecoverableErrorInterval": 5,
        "RecoverableErrorThrottling": True,
        "RecoverableErrorThrottlingMax": 1800,
        "RecoverableErrorStopRetryAfterThrottlingMax": True,
        "ApplyErrorDeletePolicy": "IGNORE_RECORD",
        "ApplyErrorInsertPolicy": "LOG_ERROR",
        "ApplyErrorUpdatePolicy": "LOG_ERROR",
        "ApplyErrorEscalationPolicy": "LOG_ERROR",
        "ApplyErrorEscalationCount": 0,
        "ApplyErrorFailOnTruncationDdl": False,
        "FullLoadIgnoreConflicts": True,
        "FailOnTransactionConsistencyBreached": False,
        "FailOnNoTablesCaptured": True,
    },
    "ValidationSettings": {"EnableValidation": False, "ValidationMode": "ROW_LEVEL", "ThreadCount": 5},
    "ResyncSettings": None,
    "PostProcessingRules": None,
    "FailTaskWhenCleanTaskResourceFailed": False,
}
_APPLY_POLICIES = ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK")
_CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("FullLoadSettings", "TargetTablePrepMode"): ("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD"),
    ("ErrorBehavior", "DataErrorPolicy"): ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"),
    ("ErrorBehavior", "DataTruncationErrorPolicy"): ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"),
    ("ErrorBehavior", "TableErrorPolicy"): ("SUSPEND_TABLE", "STOP_TASK"),
    ("ErrorBehavior", "ApplyErrorInsertPolicy"): (*_APPLY_POLICIES, "INSERT_RECORD"),
    ("ErrorBehavior", "ApplyErrorUpdatePolicy"): (*_APPLY_POLICIES, "UPDATE_RECORD"),
    ("ErrorBehavior", "ApplyErrorDeletePolicy"): _APPLY_POLICIES,
}
_LIMITS: Mapping[tuple[str, str], tuple[int, int]] = {
    ("FullLoadSettings", "MaxFullLoadSubTasks"): (1, 49),
    ("FullLoadSettings", "CommitRate"): (1, 50000),
    ("TargetMetadata", "LobMaxSize"): (0, 102400),
    ("ChangeProcessingTuning", "BatchApplyTimeoutMin"): (0, 86400),
    ("ChangeProcessingTuning", "BatchSplitSize"): (0, 2**31 - 1),
}


def complete(text: str | None) -> dict[str, Any]:
    """Return the settings of a new task: what was sent, laid over the defaults.

    Raises ApiError for text that is not a JSON object, an unknown group, or a value that the service refuses.
    """
    try:
        sent = json.loads(text or "{}")
    except ValueError as error:
        raise invalid(f"Invalid task settings document. Invalid json {error}") from None
    if not isinstance(sent, dict):
        raise invalid("Invalid task settings document. A JSON object is expected.")
    if unknown := sorted(set(sent) - set(DEFAULTS)):
        raise invalid(f"Invalid task settings document. Unknown settings group {', '.join(unknown)}.")
    settings = copy.deepcopy(dict(DEFAULTS))
    for group, value in sent.items():
        if isinstance(settings[group], dict) and isinstance(value, dict):
            settings[group].update(value)
        elif value is not None:
            settings[group] = value
    _check(settings)
    return settings


def _check(settings: dict[str, Any]) -> None:
    for group, default in DEFAULTS.items():
        if isinstance(default, dict) and not isinstance(settings[group], dict):
            raise invalid(f"Invalid task settings document. {group} must be an object.")
    for name in ("CloudWatchLogGroup", "CloudWatchLogStream"):
        if settings["Logging"][name]:
            raise invalid(f"Invalid task settings document. {name} cannot be set when a task is created.")
    for (group, name), choices in _CHOICES.items():
        if settings[group][name] not in choices:
            raise invalid(f"Invalid task settings document. {group}.{name} must be one of {', '.join(choices)}.")
    for (group, name), (low, high) in _LIMITS.items():
        value = settings[group][name]
        if not isinstance(value, int) or not low <= value <= high:
            raise invalid(f"Invalid task settings document. {group}.{name} must be between {low} and {high}.")
