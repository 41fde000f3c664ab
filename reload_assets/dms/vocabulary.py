"""The words of DMS's mapping rules and task settings (AWS DMS user guide, and settings that the service echoes)."""

from __future__ import annotations

RULE_TYPES = ("selection", "transformation", "table-settings")
SELECTION_ACTIONS = ("include", "exclude", "explicit")
RENAMING_ACTIONS = (
    "rename",
    "convert-lowercase",
    "convert-uppercase",
    "add-prefix",
    "remove-prefix",
    "replace-prefix",
    "add-suffix",
    "remove-suffix",
    "replace-suffix",
)
TRANSFORMATION_ACTIONS = (
    *RENAMING_ACTIONS,
    "add-column",
    "include-column",
    "remove-column",
    "define-primary-key",
    "change-data-type",
    "add-before-image-columns",
    "data-masking-digits-mask",
    "data-masking-digits-randomize",
    "data-masking-hash-mask",
)
RULE_TARGETS = ("schema", "table", "column", "table-tablespace", "index-tablespace")

# Operator -> the members that a condition with it must have.
OPERATORS: dict[str, tuple[str, ...]] = {
    "eq": ("value",),
    "noteq": ("value",),
    "gte": ("value",),
    "lte": ("value",),
    "ste": ("value",),
    "between": ("start-value", "end-value"),
    "notbetween": ("start-value", "end-value"),
    "null": (),
    "notnull": (),
}

# What people write -> what DMS calls it. For other words, the most similar known word is suggested.
MEANT = {
    "convert-column-type": "change-data-type",
    "convert-data-type": "change-data-type",
    "lower": "convert-lowercase",
    "to-lower": "convert-lowercase",
    "lt": "lte",
    "<": "lte",
    "<=": "lte",
    "le": "lte",
    "gt": "gte",
    ">": "gte",
    ">=": "gte",
    "ge": "gte",
    "=": "eq",
    "ne": "noteq",
    "neq": "noteq",
    "!=": "noteq",
    "is-null": "null",
    "not-null": "notnull",
}


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
    "ValidationSettings": None,
    "ResyncSettings": None,
    "PostProcessingRules": None,
    "FailTaskWhenCleanTaskResourceFailed": None,
}
