"""Lints task settings: finds what DMS refuses, and what would let a load succeed without all of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.dms.findings import Finding, did_you_mean
from reload_assets.dms.settings_vocabulary import NO_OBJECTS, SETTING_LIMITS, SETTING_VALUES, SETTINGS

# Members of CreateEndpoint that people mistake for task settings.
_ENDPOINT_GROUPS = ("OracleSettings", "PostgreSQLSettings")
_LENIENT_POLICIES = ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE")
_STRICT_POLICIES = ("DataErrorPolicy", "DataTruncationErrorPolicy", "TableErrorPolicy")


# Of the settings that DMS limits, those that have a code of their own.
_LIMIT_CODES = {
    "CommitRate": "commit-rate-too-high",
    "MaxFullLoadSubTasks": "too-many-sub-tasks",
    "LobMaxSize": "lob-limit-too-high",
    "InlineLobMaxSize": "lob-limit-too-high",
}


def lint_settings(settings: object, mapping: object = None, *, described: bool = False) -> list[Finding]:
    """Return every mistake of a reload's task settings; empty for clean ones.

    A setting that is left out is judged by DMS's default. If the ``mapping`` of the same task is given, contradictions
    between the two are found too. ``described`` says that DMS described a task by these settings. It names the task's
    log in them, which a new task must not do.
    """
    if isinstance(settings, str):
        try:
            settings = json.loads(settings)
        except (ValueError, RecursionError) as error:
            return [Finding(None, "invalid-json", f"The task settings are not JSON: {error}.")]
    if not isinstance(settings, Mapping):
        return [Finding(None, "invalid-json", "The task settings are not a JSON object.")]
    return [
        *_vocabulary(settings),
        *_values(settings),
        *_target_metadata(_group(settings, "TargetMetadata"), mapping),
        *_full_load(_group(settings, "FullLoadSettings")),
        *([] if described else _logging(_group(settings, "Logging"))),
        *_error_behavior(_group(settings, "ErrorBehavior")),
        *_validation(_group(settings, "ValidationSettings"), _group(settings, "FullLoadSettings")),
    ]


def _group(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = settings.get(name)
    return group if isinstance(group, Mapping) else {}


def _finding(code: str, message: str) -> Finding:
    return Finding(None, code, message)


def _vocabulary(settings: Mapping[str, Any]) -> Iterator[Finding]:
    for group, value in settings.items():
        if group not in SETTINGS:
            fix = (
                "such settings belong to the endpoint (CreateEndpoint, ModifyEndpoint)."
                if group in _ENDPOINT_GROUPS
                else did_you_mean(group, SETTINGS)
            )
            yield _finding("unknown-settings-group", f"Task settings have no group {group}; {fix}")
            continue
        if value is None or group in NO_OBJECTS:
            continue
        if not isinstance(value, Mapping):
            yield _finding("malformed-settings-group", f"The settings group {group} is not an object; write {{...}}.")
            continue
        known = SETTINGS[group]
        for key in value:
            if known is not None and key not in known:
                fix = did_you_mean(key, sorted(known))
                yield _finding("unknown-setting", f"The settings group {group} has no key {key}; {fix}")


def _values(settings: Mapping[str, Any]) -> Iterator[Finding]:
    for (group, name), choices in SETTING_VALUES.items():
        value = _group(settings, group).get(name)
        if value is not None and value not in choices:
            said = f"{group}.{name} has no value {value!r}; {did_you_mean(value, choices)}"
            yield _finding("unknown-setting-value", said)
    for (group, name), (low, high) in SETTING_LIMITS.items():
        value = _group(settings, group).get(name)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (is_number and low <= value <= high):
            code = _LIMIT_CODES.get(name, "setting-out-of-range")
            yield _finding(code, f"{group}.{name} is {value!r}; DMS takes {low} to {high}.")


def _target_metadata(group: Mapping[str, Any], mapping: object) -> Iterator[Finding]:
    if group.get("SupportLobs", True) is not True:
        yield _finding(
            "lobs-not-supported",
            "SupportLobs is off: LOB columns are left out, and COPY, which goes by position, fails or shifts the "
            "others; set it to true.",
        )
    elif (
        not group.get("FullLobMode") and not group.get("LimitedSizeLobMode", True) and not group.get("InlineLobMaxSize")
    ):
        yield _finding("no-lob-mode", "SupportLobs is on and every LOB mode is off; set LimitedSizeLobMode to true.")
    if group.get("FullLobMode") and group.get("LimitedSizeLobMode"):
        yield _finding("both-lob-modes", "FullLobMode and LimitedSizeLobMode are both on; turn one of them off.")
    schema = group.get("TargetSchema")
    if schema and (rule := _schema_rule(mapping)) is not None:
        yield Finding(
            rule,
            "target-schema-with-schema-rule",
            f"TargetSchema {schema!r} and this rule both name the target schema; keep the rule and drop TargetSchema.",
        )


def _schema_rule(mapping: object) -> str | None:
    if isinstance(mapping, str):
        try:
            mapping = json.loads(mapping)
        except (ValueError, RecursionError):
            return None
    rules = mapping.get("rules") if isinstance(mapping, Mapping) else None
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, Mapping) and rule.get("rule-target") == "schema":
            return str(rule.get("rule-id"))
    return None


def _full_load(group: Mapping[str, Any]) -> Iterator[Finding]:
    # The default is DROP_AND_CREATE, with which DMS would replace our staging tables by its own.
    mode = group.get("TargetTablePrepMode")
    if mode in SETTING_VALUES["FullLoadSettings", "TargetTablePrepMode"][1:] or mode is None:
        said = (
            f"TargetTablePrepMode is {mode or 'left out, which is DROP_AND_CREATE'}: staging tables are made before "
            "the load and must be left as they are; set DO_NOTHING."
        )
        yield _finding("prep-mode", said)


def _logging(group: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("CloudWatchLogGroup", "CloudWatchLogStream"):
        if group.get(key):
            yield _finding("cloudwatch-on-create", f"Logging.{key} can only be read; leave it out.")


def _error_behavior(group: Mapping[str, Any]) -> Iterator[Finding]:
    for key in _STRICT_POLICIES:
        if group.get(key) in (None, *_LENIENT_POLICIES):
            yield _finding(
                "lenient-error-policy",
                f"ErrorBehavior.{key} is {group.get(key, 'left to the lenient default')}: rows could be missing from a "
                "load that ends well; set STOP_TASK.",
            )
    if group.get("FailOnNoTablesCaptured") is not True:
        yield _finding(
            "no-tables-is-success",
            "ErrorBehavior.FailOnNoTablesCaptured is not true: a task that finds no table could end well; set it.",
        )


def _validation(group: Mapping[str, Any], full_load: Mapping[str, Any]) -> Iterator[Finding]:
    if group.get("ValidationOnly") and not (
        group.get("EnableValidation") and full_load.get("TargetTablePrepMode") in (None, "DO_NOTHING")
    ):
        said = "ValidationOnly needs EnableValidation and TargetTablePrepMode DO_NOTHING; set both."
        yield _finding("validation-only", said)
    elif group.get("EnableValidation") and not group.get("ValidationOnly"):
        yield _finding(
            "validation-enabled",
            "ValidationSettings.EnableValidation is on: a leftover awsdms_validation_failures_v2 can kill the load; "
            "turn it off, rows are compared after the load.",
        )
