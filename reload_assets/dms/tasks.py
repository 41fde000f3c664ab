"""The life of a one-time DMS task: create it, wait until it is ready, start it, watch it, judge it, remove it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.calls import ALREADY_EXISTS, NOT_FOUND, WRONG_STATE, DmsCalls, clean
from reload_assets.dms.endpoints import EndpointCheck
from reload_assets.dms.lint import Finding, lint_mapping, lint_settings
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.validation import TableValidation, require_finished, validations
from reload_assets.dms.verdict import LoadResult, Progress, TableName, judge, name_of, progress_of
from reload_assets.errors import DmsRefusal
from reload_assets.errors.dms import (
    DmsResourceUnknown,
    LoadNotStarted,
    LoadTaskDeleted,
    LoadTimeout,
    TaskFaulty,
    TaskNotReady,
    TaskNotRemoved,
)
from reload_assets.errors.validation import ValidationFailed
from reload_assets.retries import NotYet, wait_for

__all__ = ["LoadResult", "LoadTasks", "PollLimits", "Progress", "TableName", "TaskRequest", "task_identifier"]

_LONGEST_IDENTIFIER = 255
_NAME_PREFIXES = ("reload-", "validate-")
_NOT_STARTED = frozenset({"creating", "ready"})
_ENDED = frozenset({"stopped", "failed", "failed-move"})
_STARTED = frozenset({"starting", "running", "stopping"}) | _ENDED
_HAVE_STATISTICS = frozenset({"running", "stopping"}) | _ENDED


@dataclass(frozen=True)
class TaskRequest:
    """A one-time task; one per reload, because DMS runs ``start-replication`` once per task. Tags say whose it is."""

    identifier: str
    source_endpoint_arn: str
    target_endpoint_arn: str
    replication_instance_arn: str
    table_mappings: Mapping[str, Any]
    settings: Mapping[str, Any]
    tags: Mapping[str, str]


def task_identifier(group: str, reload_id: int, token: str) -> str:
    """Return a task name that DMS accepts: ``reload-<group>-<reload_id>-<token>``.

    DMS wants 1 to 255 ASCII letters, digits and hyphens, a letter first, no two hyphens in a row and none at the end,
    and converts it to lowercase. ``token`` distinguishes tasks with the same reload id, such as those of several
    attempts or ledgers.
    """
    tail = _slug(f"{reload_id}-{token}")
    head = _slug(f"reload-{group}")[: max(len("reload"), _LONGEST_IDENTIFIER - len(tail) - 1)]
    return _slug(f"{head}-{tail}")[:_LONGEST_IDENTIFIER].strip("-")


def validation_identifier(group: str, token: str) -> str:
    """Return a name for a task that validates a group: ``validate-<group>-<token>``."""
    return _slug(f"validate-{group}-{token}")


def _slug(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "-", text.lower()).strip("-")


class LoadTasks:
    """Creates, watches and removes the one-time tasks of an account and region, by ARN.

    Every method raises DmsUnreachable if DMS does not answer or throttles past the limit, and DmsError if it refuses.
    All of them can be called again after a crash, because this class keeps no state about a task.
    """

    def __init__(self, client: Any, limits: PollLimits) -> None:
        self._calls = DmsCalls(client, limits)
        self._limits = limits

    def check_endpoints(self, source_arn: str, target_arn: str, instance_arn: str) -> None:
        """Raise DmsError unless source (Oracle), target (PostgreSQL) and instance exist and are connected.

        Runs connection tests that are missing or have failed.
        """
        self.endpoints.run(source_arn, target_arn, instance_arn)

    @property
    def endpoints(self) -> EndpointCheck:
        """Checks the endpoints and the instance one by one."""
        return EndpointCheck(self._calls, self._limits)

    def source_endpoint(self, arn: str) -> Mapping[str, Any]:
        """Return a source endpoint with its settings. Raises DmsError if it is not an Oracle source."""
        return self.endpoints.source(arn)

    def target_login(self, arn: str) -> str | None:
        """Return the user as which a target endpoint logs in; None if it takes that from a secret. Raises DmsError."""
        return self.endpoints.target(arn).get("Username") or None

    def create(self, request: TaskRequest) -> str:
        """Create the task and return its ARN. If a task with this identifier and these tags exists, return its ARN.

        Raises MappingError, and sends nothing, for any finding of the linters.
        """
        require_clean(request.identifier, request.table_mappings, request.settings)
        doing = f"creating the task {request.identifier}"
        try:
            answer = self._calls.call(
                "create_replication_task",
                doing,
                ReplicationTaskIdentifier=request.identifier,
                SourceEndpointArn=request.source_endpoint_arn,
                TargetEndpointArn=request.target_endpoint_arn,
                ReplicationInstanceArn=request.replication_instance_arn,
                MigrationType="full-load",
                TableMappings=json.dumps(request.table_mappings),
                ReplicationTaskSettings=json.dumps(request.settings),
                Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
            )
        except DmsRefusal as refusal:
            # If an answer was lost, the call is sent again, and the task of the first one exists already.
            if refusal.fault == ALREADY_EXISTS and (arn := self._existing(request)):
                return arn
            raise
        return str(self._calls.member(answer, "ReplicationTask", doing)["ReplicationTaskArn"])

    def wait_ready(self, arn: str) -> None:
        """Wait until the task can be started, or has been started already."""

        def look() -> None:
            task = self._required(arn)
            status = task["Status"]
            if status == "ready" or (status in _STARTED and task.get("ReplicationTaskStartDate")):
                return
            if status in _ENDED or status == "deleting":
                said = clean(task.get("LastFailureMessage") or "") or "DMS gives no reason"
                raise TaskNotReady(name_of(task), status, said)
            raise NotYet(lambda seconds: TaskNotReady(name_of(task), f"still {status}", f"after {seconds:.0f} s"))

        wait_for(look, self._limits.watching, self._limits.ready_timeout)

    def start(self, arn: str) -> None:
        """Start the task. Does nothing if it was started before, because DMS runs it only once."""
        try:
            self._calls.call(
                "start_replication_task",
                f"starting the task {arn}",
                ReplicationTaskArn=arn,
                StartReplicationTaskType="start-replication",
            )
        except DmsRefusal as refusal:
            if refusal.fault in WRONG_STATE and self._required(arn)["Status"] in _STARTED:
                return
            raise

    def wait_loaded(
        self,
        arn: str,
        expected: Collection[TableName],
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> LoadResult:
        """Wait for the end of a load, whatever state the task is in by now, and judge it.

        ``expected`` are the (source schema, source table) names of the mapping. ``on_progress`` is called after every
        poll; an exception from it, or a signal, ends the wait within a second and leaves the task running. Raises
        LoadFailed if the task did not load every table completely, was never started, no longer exists, or takes longer
        than ``load_timeout`` (then it is left running too).
        """
        if not expected:
            raise ValueError("A load of no table cannot be judged.")
        began = time.monotonic()

        def look() -> LoadResult:
            task = self._described(arn)
            if task is None or task["Status"] == "deleting":
                raise LoadTaskDeleted(arn)
            status = task["Status"]
            statistics = self._statistics(arn) if status in _HAVE_STATISTICS else []
            progress = progress_of(task, statistics)
            on_progress(progress)
            if status in _ENDED:
                return judge(task, statistics, expected)
            if status in _NOT_STARTED and time.monotonic() - began >= self._limits.ready_timeout:
                raise LoadNotStarted(name_of(task), status)
            loaded = f"{progress.tables_loaded} of {len(expected)} tables and {progress.rows} rows"
            raise NotYet(lambda seconds: LoadTimeout(name_of(task), status, seconds, loaded))

        return wait_for(look, self._limits.watching, self._limits.load_timeout)

    def wait_validated(
        self, arn: str, on_progress: Callable[[str, list[TableValidation]], None]
    ) -> list[TableValidation]:
        """Wait for the end of a task that only validates. Returns what it says about each table.

        ``on_progress`` is called with the task's status after every poll, as by ``wait_loaded``. Raises
        ValidationFailed if the task does not end by itself within ``load_timeout``; then it is left running.
        """

        def look() -> list[TableValidation]:
            task = self._described(arn)
            if task is None or task["Status"] == "deleting":
                raise ValidationFailed(arn, "was deleted before it had ended")
            status = task["Status"]
            tables = validations(self._statistics(arn)) if status in _HAVE_STATISTICS else []
            on_progress(status, tables)
            if status in _ENDED:
                require_finished(task)
                return tables
            limit = "dms.polling.load_timeout_seconds"
            raise NotYet(
                lambda took: ValidationFailed(name_of(task), f"is still {status} after {took:.0f} s ({limit})")
            )

        return wait_for(look, self._limits.watching, self._limits.load_timeout)

    def remove(self, arn: str) -> None:
        """Stop the task if it runs, and have DMS delete it. Does nothing if the task does not exist.

        A task that is being deleted counts as gone: it moves no more rows, and DMS takes about six more minutes. Raises
        DmsError if the task could not be stopped or deleted within ``remove_timeout``.
        """

        def look() -> None:
            task = self._described(arn)
            if task is None or task["Status"] == "deleting":
                return
            name, status = name_of(task), task["Status"]
            if status == "running":
                self._attempt("stop_replication_task", f"stopping the task {name}", arn)
            elif status in _ENDED or status == "ready":
                self._attempt("delete_replication_task", f"deleting the task {name}", arn)
            raise NotYet(lambda seconds: TaskNotRemoved(name, status, seconds))

        wait_for(look, self._limits.watching, self._limits.remove_timeout)

    def find(self, tags: Mapping[str, str]) -> list[str]:
        """Return the ARNs of the full-load tasks that carry all of these tags.

        One that is being deleted counts as gone.
        """
        if not tags:
            raise ValueError("Without a tag every task would be found.")
        arns = [str(task["ReplicationTaskArn"]) for task in self._full_loads()]
        return [arn for arn in arns if tags.items() <= self._tags(arn).items()]

    def find_own(self) -> dict[str, dict[str, str]]:
        """Return, by ARN, the tags of the full-load tasks whose names look like those of a reload or a validation."""
        arns = [
            str(task["ReplicationTaskArn"]) for task in self._full_loads() if name_of(task).startswith(_NAME_PREFIXES)
        ]
        return {arn: self._tags(arn) for arn in arns}

    def _full_loads(self) -> list[dict[str, Any]]:
        tasks = self._calls.found(
            "describe_replication_tasks",
            "ReplicationTasks",
            "listing the full-load tasks",
            Filters=[{"Name": "migration-type", "Values": ["full-load"]}],
            WithoutSettings=True,
        )
        return [task for task in tasks if task["Status"] != "deleting"]

    def _existing(self, request: TaskRequest) -> str | None:
        tasks = self._calls.found(
            "describe_replication_tasks",
            "ReplicationTasks",
            f"looking for the task {request.identifier}",
            Filters=[{"Name": "replication-task-id", "Values": [request.identifier.lower()]}],
            WithoutSettings=True,
        )
        arns = [str(task["ReplicationTaskArn"]) for task in tasks if task["Status"] != "deleting"]
        return next((arn for arn in arns if request.tags and request.tags.items() <= self._tags(arn).items()), None)

    def _tags(self, arn: str) -> dict[str, str]:
        try:
            answer = self._calls.call("list_tags_for_resource", f"reading the tags of the task {arn}", ResourceArn=arn)
        except DmsRefusal as refusal:
            if refusal.fault == NOT_FOUND:
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in answer.get("TagList", [])}

    def _described(self, arn: str) -> dict[str, Any] | None:
        tasks = self._calls.found(
            "describe_replication_tasks",
            "ReplicationTasks",
            f"looking up the task {arn}",
            Filters=[{"Name": "replication-task-arn", "Values": [arn]}],
            WithoutSettings=True,
        )
        return tasks[0] if tasks else None

    def _required(self, arn: str) -> dict[str, Any]:
        task = self._described(arn)
        if task is None:
            raise DmsResourceUnknown("task", arn)
        return task

    def _statistics(self, arn: str) -> list[dict[str, Any]]:
        return self._calls.found(
            "describe_table_statistics",
            "TableStatistics",
            f"reading the table statistics of the task {arn}",
            page_size=500,
            ReplicationTaskArn=arn,
        )

    def _attempt(self, operation: str, doing: str, arn: str) -> None:
        """Call an operation, and ignore a refusal because another process, or DMS itself, was faster."""
        try:
            self._calls.call(operation, doing, ReplicationTaskArn=arn)
        except DmsRefusal as refusal:
            if refusal.fault != NOT_FOUND and refusal.fault not in WRONG_STATE:
                raise


def require_clean(task: str, mapping: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise MappingError, which names the ``task``, for any finding of the linters in its mapping and settings."""
    target_schema = (settings.get("TargetMetadata") or {}).get("TargetSchema") or ""
    findings: list[Finding] = [
        *lint_mapping(mapping, target_schema=target_schema),
        *lint_settings(settings, mapping),
    ]
    # The names are those of the source's dictionary, which may have a column in lower case.
    findings = [finding for finding in findings if finding.code != "lowercase-filter-column"]
    if findings:
        raise TaskFaulty(task, " ".join(map(str, findings)))
