"""Lints task settings: finds what DMS refuses, and what would let a load succeed without all of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.dms.findings import Finding, did_you_mean
from reload_assets.dms.vocabulary import SETTINGS

_MAX_COMMIT_RATE = 50000
_MAX_SUB_TASKS = 49
# Members of CreateEndpoint that people mistake for task settings.
_ENDPOINT_GROUPS = ("OracleSettings", "PostgreSQLSettings")
_STRICT_POLICIES = ("DataErrorPolicy", "DataTruncationErrorPolicy", "TableErrorPolicy")


def lint_settings(settings: str | Mapping[str, Any], mapping: str | Mapping[str, Any] | None = None) -> list[Finding]:
    """Return every mistake of a reload's task settings; empty for clean ones.

    A setting that is left out is judged by DMS's default. If the ``mapping`` of the same task is given, contradictions
    between the two are found too.
    """
    if isinstance(settings, str):
        try:
            settings = json.loads(settings)
        except ValueError as error:
            return [Finding(None, "invalid-json", f"The task settings are not JSON: {error}.")]
    if not isinstance(settings, Mapping):
        return [Finding(None, "invalid-json", "The task settings are not a JSON object.")]
    return [
        *_vocabulary(settings),
        *_target_metadata(_group(settings, "TargetMetadata"), mapping),
        *_full_load(_group(settings, "FullLoadSettings")),
        *_logging(_group(settings, "Logging")),
        *_error_behavior(_group(settings, "ErrorBehavior")),
        *_validation(_group(settings, "ValidationSettings")),
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
        known = SETTINGS[group]
        if known is None or value is None:
            continue
        if not isinstance(value, Mapping):
            yield _finding("malformed-settings-group", f"The settings group {group} is not an object; write {{...}}.")
            continue
        for key in value:
            if key not in known:
                fix = did_you_mean(key, sorted(known))
                yield _finding("unknown-setting", f"The settings group {group} has no key {key}; {fix}")


def _target_metadata(group: Mapping[str, Any], mapping: str | Mapping[str, Any] | None) -> Iterator[Finding]:
    if group.get("SupportLobs", True) is not True:
        yield _finding(
            "lobs-not-supported",
            "SupportLobs is off: LOB columns are left out, and COPY, which goes by position, fails or shifts the "
            "others; set it to true.",
        )
    if group.get("FullLobMode") and group.get("LimitedSizeLobMode"):
        yield _finding("both-lob-modes", "FullLobMode and LimitedSizeLobMode are both on; turn one of them off.")
    schema = group.get("TargetSchema")
    if schema and (rule := _schema_rule(mapping)) is not None:
        yield Finding(
            rule,
            "target-schema-with-schema-rule",
            f"TargetSchema {schema!r} and this rule both name the target schema; keep the rule and drop TargetSchema.",
        )


def _schema_rule(mapping: str | Mapping[str, Any] | None) -> str | None:
    if isinstance(mapping, str):
        try:
            mapping = json.loads(mapping)
        except ValueError:
            return None
    rules = mapping.get("rules") if isinstance(mapping, Mapping) else None
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, Mapping) and rule.get("rule-target") == "schema":
            return str(rule.get("rule-id"))
    return None


def _full_load(group: Mapping[str, Any]) -> Iterator[Finding]:
    # The default is not documented, and with DROP_AND_CREATE DMS would replace our staging tables by its own.
    if group.get("TargetTablePrepMode") != "DO_NOTHING":
        yield _finding(
            "prep-mode",
            f"TargetTablePrepMode is {group.get('TargetTablePrepMode', 'left out')}: staging tables are made before "
            "the load and must be left as they are; set DO_NOTHING.",
        )
    for key, limit, code in (
        ("CommitRate", _MAX_COMMIT_RATE, "commit-rate-too-high"),
        ("MaxFullLoadSubTasks", _MAX_SUB_TASKS, "too-many-sub-tasks"),
    ):
        value = group.get(key)
        if value is not None and (not isinstance(value, int) or not 1 <= value <= limit):
            yield _finding(code, f"{key} is {value!r}; DMS takes 1 to {limit}.")


def _logging(group: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("CloudWatchLogGroup", "CloudWatchLogStream"):
        if group.get(key):
            yield _finding("cloudwatch-on-create", f"Logging.{key} can only be read; leave it out.")


def _error_behavior(group: Mapping[str, Any]) -> Iterator[Finding]:
    for key in _STRICT_POLICIES:
        if group.get(key) != "STOP_TASK":
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


def _validation(group: Mapping[str, Any]) -> Iterator[Finding]:
    if group.get("EnableValidation"):
        yield _finding(
            "validation-enabled",
            "ValidationSettings.EnableValidation is on: a leftover awsdms_validation_failures_v2 can kill the load; "
            "turn it off, rows are compared after the load.",
        )
