"""The words of DMS's task settings, and what each may hold (AWS DMS user guide, and what the service echoes)."""

from __future__ import annotations

from collections.abc import Mapping


def _keys(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Group -> its keys; None if a group is free-form, not an object, or too rarely used to be worth checking.
SETTINGS: dict[str, frozenset[str] | None] = {
    "TargetMetadata": _keys(
        "TargetSchema SupportLobs FullLobMode LobChunkSize LimitedSizeLobMode LobMaxSize InlineLobMaxSize "
        "LoadMaxFileSize ParallelLoadThreads ParallelLoadBufferSize ParallelLoadQueuesPerThread ParallelApplyThreads "
        "ParallelApplyBufferSize ParallelApplyQueuesPerThread BatchApplyEnabled TaskRecoveryTableEnabled"
    ),
    "FullLoadSettings": _keys(
        "TargetTablePrepMode CreatePkAfterFullLoad StopTaskCachedChangesApplied StopTaskCachedChangesNotApplied "
        "MaxFullLoadSubTasks TransactionConsistencyTimeout CommitRate"
    ),
    "TTSettings": None,
    "Logging": _keys("EnableLogging EnableLogContext LogComponents CloudWatchLogGroup CloudWatchLogStream"),
    "ControlTablesSettings": _keys(
        "ControlSchema HistoryTimeslotInMinutes historyTimeslotInMinutes HistoryTableEnabled "
        "SuspendedTablesTableEnabled StatusTableEnabled FullLoadExceptionTableEnabled"
    ),
    "StreamBufferSettings": _keys("StreamBufferCount StreamBufferSizeInMB CtrlStreamBufferSizeInMB"),
    "ChangeProcessingTuning": _keys(
        "BatchApplyPreserveTransaction BatchApplyTimeoutMin BatchApplyTimeoutMax BatchApplyMemoryLimit BatchSplitSize "
        "MinTransactionSize CommitTimeout MemoryLimitTotal MemoryKeepTime StatementCacheSize RecoveryTimeout"
    ),
    "ChangeProcessingDdlHandlingPolicy": _keys(
        "HandleSourceTableDropped HandleSourceTableTruncated HandleSourceTableAltered"
    ),
    "LoopbackPreventionSettings": None,
    "CharacterSetSettings": None,
    "BeforeImageSettings": None,
    "ErrorBehavior": _keys(
        "DataErrorPolicy DataTruncationErrorPolicy DataMaskingErrorPolicy DataErrorEscalationPolicy "
        "DataErrorEscalationCount EventErrorPolicy TableErrorPolicy TableErrorEscalationPolicy "
        "TableErrorEscalationCount RecoverableErrorCount RecoverableErrorInterval RecoverableErrorThrottling "
        "RecoverableErrorThrottlingMax RecoverableErrorStopRetryAfterThrottlingMax ApplyErrorDeletePolicy "
        "ApplyErrorInsertPolicy ApplyErrorUpdatePolicy ApplyErrorEscalationPolicy ApplyErrorEscalationCount "
        "ApplyErrorFailOnTruncationDdl FullLoadIgnoreConflicts FailOnTransactionConsistencyBreached "
        "FailOnNoTablesCaptured"
    ),
    "ValidationSettings": _keys(
        "EnableValidation ValidationMode ValidationOnly ThreadCount PartitionSize FailureMaxCount TableFailureMaxCount "
        "HandleCollationDiff RecordFailureDelayInMinutes RecordFailureDelayLimitInMinutes RecordSuspendDelayInMinutes "
        "MaxKeyColumnSize SkipLobColumns ValidationPartialLobSize ValidationQueryCdcDelaySeconds ValidationS3Time "
        "ValidationS3Mask"
    ),
    "ResyncSettings": None,
    "PostProcessingRules": None,
    "FailTaskWhenCleanTaskResourceFailed": None,
}

# Groups that are not objects.
NO_OBJECTS = ("FailTaskWhenCleanTaskResourceFailed", "PostProcessingRules")

_RECORD_POLICIES = ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK")
# The words that a setting may hold; null is none of them and stands for the default.
SETTING_VALUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("FullLoadSettings", "TargetTablePrepMode"): ("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD"),
    ("ErrorBehavior", "DataErrorPolicy"): _RECORD_POLICIES,
    ("ErrorBehavior", "DataTruncationErrorPolicy"): _RECORD_POLICIES,
    ("ErrorBehavior", "DataMaskingErrorPolicy"): _RECORD_POLICIES,
    ("ErrorBehavior", "DataErrorEscalationPolicy"): ("LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"),
    ("ErrorBehavior", "EventErrorPolicy"): ("IGNORE", "STOP_TASK"),
    ("ErrorBehavior", "TableErrorPolicy"): ("SUSPEND_TABLE", "STOP_TASK"),
    ("ErrorBehavior", "TableErrorEscalationPolicy"): ("STOP_TASK",),
    ("ErrorBehavior", "ApplyErrorInsertPolicy"): (*_RECORD_POLICIES, "INSERT_RECORD"),
    ("ErrorBehavior", "ApplyErrorUpdatePolicy"): (*_RECORD_POLICIES, "UPDATE_RECORD"),
    ("ErrorBehavior", "ApplyErrorDeletePolicy"): _RECORD_POLICIES,
    ("ErrorBehavior", "ApplyErrorEscalationPolicy"): ("LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"),
    ("ValidationSettings", "ValidationMode"): ("ROW_LEVEL",),
}
_ANY_NUMBER = (0, 2**31 - 1)
# The whole numbers that a setting may hold, both ends included.
SETTING_LIMITS: Mapping[tuple[str, str], tuple[int, int]] = {
    ("FullLoadSettings", "MaxFullLoadSubTasks"): (1, 49),
    ("FullLoadSettings", "CommitRate"): (1, 50000),
    ("TargetMetadata", "LobMaxSize"): (0, 102400),
    ("TargetMetadata", "InlineLobMaxSize"): (0, 102400),
    ("TargetMetadata", "LoadMaxFileSize"): (0, 100000),
    ("ChangeProcessingTuning", "BatchApplyTimeoutMin"): _ANY_NUMBER,
    ("ChangeProcessingTuning", "BatchSplitSize"): _ANY_NUMBER,
    ("ValidationSettings", "ThreadCount"): (1, 2**31 - 1),
    ("ValidationSettings", "PartitionSize"): (1, 2**31 - 1),
    ("ValidationSettings", "FailureMaxCount"): _ANY_NUMBER,
    ("ValidationSettings", "TableFailureMaxCount"): _ANY_NUMBER,
    ("ValidationSettings", "RecordFailureDelayInMinutes"): _ANY_NUMBER,
    ("ValidationSettings", "RecordSuspendDelayInMinutes"): _ANY_NUMBER,
    ("ValidationSettings", "ValidationPartialLobSize"): _ANY_NUMBER,
    ("ValidationSettings", "ValidationQueryCdcDelaySeconds"): _ANY_NUMBER,
}
