"""Task settings: partial JSON is accepted and completed with the defaults of the service."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from typing import Any

from reload_assets.dms.settings_vocabulary import NO_OBJECTS, SETTING_LIMITS, SETTING_VALUES, SETTINGS
from reload_assets.local.dms.protocol import ApiError, invalid

_log = logging.getLogger(__name__)

_LOG_COMPONENTS = (
    *("TRANSFORMATION", "SOURCE_UNLOAD", "IO", "TARGET_LOAD", "PERFORMANCE", "SOURCE_CAPTURE", "SORTER", "REST_SERVER"),
    *("VALIDATOR_EXT", "TARGET_APPLY", "TASK_MANAGER", "TABLES_MANAGER", "METADATA_MANAGER", "FILE_FACTORY", "COMMON"),
    *("ADDONS", "DATA_STRUCTURE", "COMMUNICATION", "FILE_TRANSFER"),
)
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
        "TargetTablePrepMode": "DROP_AND_CREATE",
        "CreatePkAfterFullLoad": False,
        "StopTaskCachedChangesApplied": False,
        "StopTaskCachedChangesNotApplied": False,
        "MaxFullLoadSubTasks": 8,
        "TransactionConsistencyTimeout": 600,
        "CommitRate": 10000,
    },
    "TTSettings": None,
    "Logging": {
        "EnableLogging": False,
        "EnableLogContext": False,
        "LogComponents": [{"Id": one, "Severity": "LOGGER_SEVERITY_DEFAULT"} for one in _LOG_COMPONENTS],
        "CloudWatchLogGroup": None,
        "CloudWatchLogStream": None,
    },
    "ControlTablesSettings": {
        "ControlSchema": "",
        # The service writes it both ways.
        "historyTimeslotInMinutes": 5,
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
        "RecoveryTimeout": -1,
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
    "PostProcessingRules": None,
    "FailTaskWhenCleanTaskResourceFailed": False,
}
# Groups that the service shows only where they were sent, with what it adds to them.
_ADDED_IF_SENT: Mapping[str, Any] = {
    # HandleCollationDiff, MaxKeyColumnSize and RecordFailureDelayLimitInMinutes change nothing here: PostgreSQL itself
    # says which keys are equal, it has no longer ones, and CDC's position says what has arrived.
    "ValidationSettings": {
        "EnableValidation": False,
        "ValidationMode": "ROW_LEVEL",
        "ThreadCount": 5,
        "PartitionSize": 10000,
        "FailureMaxCount": 10000,
        "RecordFailureDelayInMinutes": 5,
        "RecordSuspendDelayInMinutes": 30,
        "MaxKeyColumnSize": 8096,
        "TableFailureMaxCount": 1000,
        "ValidationOnly": False,
        "HandleCollationDiff": False,
        "RecordFailureDelayLimitInMinutes": 0,
        "SkipLobColumns": False,
        "ValidationPartialLobSize": 0,
        "ValidationQueryCdcDelaySeconds": 0,
    },
    "ResyncSettings": {},
}
# The delay, in seconds, of a CDC task that only validates.
_DELAY_OF_VALIDATION_ONLY = 180


def complete(text: str | None) -> dict[str, Any]:
    """Return the settings of a new task: what was sent, laid over the defaults.

    Raises ApiError for text that is not a JSON object, an unknown group, or a value that the service refuses. Unknown
    members of a known group are kept and change nothing, as in the service.
    """
    try:
        sent = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise _refused(str(error)) from None
    if not isinstance(sent, dict):
        raise _refused("a JSON object is expected")
    if unknown := sorted(set(sent) - set(SETTINGS)):
        raise _refused(f"unknown settings group {', '.join(unknown)}")
    settings = copy.deepcopy(dict(DEFAULTS))
    for group, value in sent.items():
        if group in _ADDED_IF_SENT and isinstance(value, dict):
            settings[group] = dict(_ADDED_IF_SENT[group])
        if isinstance(settings.get(group), dict) and isinstance(value, dict):
            settings[group].update({name: one for name, one in value.items() if one is not None})
        elif value is not None:
            settings[group] = value
    _check(settings)
    validation = settings.get("ValidationSettings") or {}
    if validation.get("ValidationOnly"):
        if sent["ValidationSettings"].get("ValidationQueryCdcDelaySeconds") is None:
            validation["ValidationQueryCdcDelaySeconds"] = _DELAY_OF_VALIDATION_ONLY
        if (sent.get("FullLoadSettings") or {}).get("TargetTablePrepMode") not in (None, "DO_NOTHING"):
            raise _refused("ValidationOnly needs TargetTablePrepMode DO_NOTHING")
        settings["FullLoadSettings"]["TargetTablePrepMode"] = "DO_NOTHING"
    return settings


def _check(settings: dict[str, Any]) -> None:
    for group in (*DEFAULTS, *_ADDED_IF_SENT):
        value = settings.get(group)
        if value is not None and group not in NO_OBJECTS and not isinstance(value, dict):
            raise _refused(f"{group} must be an object")
    if any(settings["Logging"][name] for name in ("CloudWatchLogGroup", "CloudWatchLogStream")):
        raise invalid("Task Settings CloudWatchLogGroup or CloudWatchLogStream cannot be set on create.")
    for (group, name), choices in SETTING_VALUES.items():
        if settings.get(group) and settings[group][name] not in choices:
            raise _refused(f"{group}.{name} must be one of {', '.join(choices)}")
    for (group, name), (low, high) in SETTING_LIMITS.items():
        if not settings.get(group):
            continue
        value = settings[group][name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _refused(f"{group}.{name} must be between {low} and {high}")
    lobs = settings["TargetMetadata"]
    modes = (lobs["FullLobMode"], lobs["LimitedSizeLobMode"], lobs["InlineLobMaxSize"])
    if lobs["SupportLobs"] and not any(modes):
        raise _refused("SupportLobs needs a LOB mode")
    validation = settings.get("ValidationSettings") or {}
    if validation.get("ValidationOnly") and not validation.get("EnableValidation"):
        raise _refused("ValidationOnly needs EnableValidation")


def _refused(why: str) -> ApiError:
    """The service says no more than this; the reason goes to the log."""
    _log.info("Task settings are refused: %s", why)
    return invalid("Invalid task settings JSON")
