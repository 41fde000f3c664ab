"""Documents about task settings."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import of_settings

DOCUMENTS = [
    of_settings("those of a reload", "taken", {}),
    of_settings("a group that there is not", "refused", {"OracleSettings": {}}, "error: unknown-settings-group"),
    of_settings(
        "a setting that there is not",
        "ignored",
        {"FullLoadSettings": {"MaxFullLoadSubTask": 4}},
        "error: unknown-setting",
    ),
    of_settings("a group that is a list", "refused", {"Logging": []}, "error: malformed-settings-group"),
    of_settings("validation that is a list", "refused", {"ValidationSettings": []}, "error: malformed-settings-group"),
    of_settings(
        "a commit rate beyond the limit",
        "refused",
        {"FullLoadSettings": {"CommitRate": 50001}},
        "error: commit-rate-too-high",
    ),
    of_settings(
        "a commit rate that is a text",
        "refused",
        {"FullLoadSettings": {"CommitRate": "100"}},
        "error: commit-rate-too-high",
    ),
    of_settings(
        "fifty tables at once",
        "refused",
        {"FullLoadSettings": {"MaxFullLoadSubTasks": 50}},
        "error: too-many-sub-tasks",
    ),
    of_settings(
        "a LOB limit beyond the maximum",
        "refused",
        {"TargetMetadata": {"LobMaxSize": 102401}},
        "error: lob-limit-too-high",
    ),
    of_settings(
        "inline LOBs beyond the maximum",
        "refused",
        {"TargetMetadata": {"InlineLobMaxSize": 102401}},
        "error: lob-limit-too-high",
    ),
    of_settings(
        "files beyond the maximum",
        "refused",
        {"TargetMetadata": {"LoadMaxFileSize": 100001}},
        "error: setting-out-of-range",
    ),
    of_settings(
        "an unknown prep mode",
        "refused",
        {"FullLoadSettings": {"TargetTablePrepMode": "NOTHING"}},
        "error: unknown-setting-value",
    ),
    of_settings(
        "an unknown policy", "refused", {"ErrorBehavior": {"DataErrorPolicy": "STOP"}}, "error: unknown-setting-value"
    ),
    of_settings(
        "another policy's word",
        "refused",
        {"ErrorBehavior": {"TableErrorPolicy": "LOG_ERROR"}},
        "error: unknown-setting-value",
        "advice: lenient-error-policy",
    ),
    of_settings("no LOB mode", "refused", {"TargetMetadata": {"LimitedSizeLobMode": False}}, "error: no-lob-mode"),
    of_settings("two LOB modes", "ignored", {"TargetMetadata": {"FullLobMode": True}}, "error: both-lob-modes"),
    of_settings("no LOBs", "taken", {"TargetMetadata": {"SupportLobs": False}}, "advice: lobs-not-supported"),
    of_settings(
        "a log of one's own", "refused", {"Logging": {"CloudWatchLogGroup": "mine"}}, "error: cloudwatch-on-create"
    ),
    of_settings(
        "the default prep mode", "taken", {"FullLoadSettings": {"TargetTablePrepMode": None}}, "advice: prep-mode"
    ),
    of_settings(
        "a lenient policy", "taken", {"ErrorBehavior": {"DataErrorPolicy": "LOG_ERROR"}}, "advice: lenient-error-policy"
    ),
    of_settings(
        "no table is a success",
        "taken",
        {"ErrorBehavior": {"FailOnNoTablesCaptured": False}},
        "advice: no-tables-is-success",
    ),
    of_settings(
        "validation", "taken", {"ValidationSettings": {"EnableValidation": True}}, "advice: validation-enabled"
    ),
    of_settings(
        "validation alone",
        "taken",
        {"ValidationSettings": {"EnableValidation": True, "ValidationOnly": True}},
    ),
    of_settings(
        "validation alone and not on",
        "refused",
        {"ValidationSettings": {"ValidationOnly": True}},
        "error: validation-only",
    ),
    of_settings(
        "validation as the service echoes it",
        "taken",
        {
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
            }
        },
    ),
    of_settings(
        "a setting of validation that there is not",
        "ignored",
        {"ValidationSettings": {"TableFailureMaximum": 1}},
        "error: unknown-setting",
    ),
    of_settings(
        "validation without threads",
        "refused",
        {"ValidationSettings": {"ThreadCount": 0}},
        "error: setting-out-of-range",
    ),
    of_settings(
        "validation of groups of rows",
        "refused",
        {"ValidationSettings": {"ValidationMode": "GROUP_LEVEL"}},
        "error: unknown-setting-value",
    ),
    of_settings(
        "a setting of CDC below zero",
        "refused",
        {"ChangeProcessingTuning": {"BatchSplitSize": -1}},
        "error: setting-out-of-range",
    ),
]
