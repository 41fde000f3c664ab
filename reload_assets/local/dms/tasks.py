"""Replication tasks: their life cycle, progress and statistics."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from reload_assets.local.dms import settings
from reload_assets.local.dms.engine import Delays, Ending, Engine, Job
from reload_assets.local.dms.faults import Faults
from reload_assets.local.dms.load import FullLoad
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.paging import checked_identifier, new_arn, page, select
from reload_assets.local.dms.protocol import ApiError, already_exists, not_found, wrong_state
from reload_assets.local.dms.records import Endpoint, Instance, TableRun

ENGINES: Mapping[str, type[Engine]] = {"full-load": FullLoad}


@dataclass
class Task:
    """One replication task; changed only under the control plane's lock."""

    arn: str
    identifier: str
    source: Endpoint
    target: Endpoint
    instance: Instance
    migration_type: str
    mappings: str
    mapping: TableMapping
    settings: dict[str, Any]
    created: datetime
    status: str = "creating"
    since: float = field(default_factory=time.monotonic)
    first_started: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    stop_reason: str | None = None
    failure: str | None = None
    tables: dict[tuple[str, str], TableRun] = field(default_factory=dict)
    engine: Engine | None = None

    def enter(self, status: str) -> None:
        self.status, self.since = status, time.monotonic()

    def described(self, *, with_settings: bool = True) -> dict[str, Any]:
        """As the API shows it; WithoutSettings leaves out the settings and the mappings."""
        answer: dict[str, Any] = {
            "ReplicationTaskArn": self.arn,
            "ReplicationTaskIdentifier": self.identifier,
            "SourceEndpointArn": self.source.arn,
            "TargetEndpointArn": self.target.arn,
            "ReplicationInstanceArn": self.instance.arn,
            "MigrationType": self.migration_type,
            "Status": self.status,
            "StopReason": self.stop_reason,
            "LastFailureMessage": self.failure,
            "ReplicationTaskCreationDate": self.created,
            "ReplicationTaskStartDate": self.started,
        }
        if with_settings:
            answer["TableMappings"] = self.mappings
            answer["ReplicationTaskSettings"] = json.dumps(self.settings)
        if self.started:
            answer["ReplicationTaskStats"] = self._stats(self.started)
        return answer

    def _stats(self, started: datetime) -> dict[str, Any]:
        runs = list(self.tables.values())
        states = [run.state for run in runs]
        until = self.ended or datetime.now(timezone.utc)
        return {
            "FullLoadProgressPercent": int(100 * sum(run.progress for run in runs) / len(runs)) if runs else 0,
            "ElapsedTimeMillis": int((until - started).total_seconds() * 1000),
            "TablesLoaded": states.count("Table completed"),
            "TablesLoading": states.count("Full load"),
            "TablesQueued": states.count("Before load"),
            "TablesErrored": states.count("Table error"),
            "FreshStartDate": self.first_started,
            "StartDate": started,
            "StopDate": self.ended,
            "FullLoadStartDate": min((run.started for run in runs if run.started), default=None),
            "FullLoadFinishDate": self.ended if runs and set(states) == {"Table completed"} else None,
        }


class Tasks:
    """The task operations. ``tested`` tells whether an endpoint's connection test was successful."""

    def __init__(
        self,
        lock: threading.RLock,
        delays: Delays,
        faults: Faults,
        tested: Callable[[Instance, Endpoint], bool],
    ) -> None:
        self._lock, self._delays, self._faults, self._tested = lock, delays, faults, tested
        self._tasks: dict[str, Task] = {}

    def has(self, arn: str) -> bool:
        return arn in self._tasks

    def using(self, endpoint: Endpoint) -> bool:
        return any(endpoint in (task.source, task.target) for task in self._tasks.values())

    def settle(self) -> None:
        """Let the states pass whose time is over: creating becomes ready, deleting becomes gone."""
        for task in list(self._tasks.values()):
            waited = time.monotonic() - task.since
            if task.status == "creating" and waited >= self._delays.create:
                task.enter("ready")
            elif task.status == "deleting" and waited >= self._delays.delete:
                del self._tasks[task.arn]

    def close(self) -> None:
        """Stop every engine and wait for it."""
        with self._lock:
            engines = [task.engine for task in self._tasks.values() if task.engine]
        for engine in engines:
            engine.stop()
        for engine in engines:
            engine.join()

    def create(self, request: dict[str, Any], source: Endpoint, target: Endpoint, instance: Instance) -> Task:
        """A new task in ``creating``. Raises ApiError for a bad or used identifier, mapping or settings."""
        identifier = checked_identifier("ReplicationTaskIdentifier", request["ReplicationTaskIdentifier"], 255)
        if any(task.identifier == identifier for task in self._tasks.values()):
            raise already_exists(f"ReplicationTask {identifier} already exists.")
        task = Task(
            arn=new_arn("task", request.get("ResourceIdentifier")),
            identifier=identifier,
            source=source,
            target=target,
            instance=instance,
            migration_type=request["MigrationType"],
            mappings=request["TableMappings"],
            mapping=TableMapping(request["TableMappings"]),
            settings=settings.complete(request.get("ReplicationTaskSettings")),
            created=datetime.now(timezone.utc),
        )
        self._tasks[task.arn] = task
        return task

    def describe_replication_tasks(self, request: dict[str, Any]) -> dict[str, Any]:
        found = select(
            list(self._tasks.values()),
            request,
            {
                "replication-task-arn": lambda task: (task.arn,),
                "replication-task-id": lambda task: (task.identifier,),
                "migration-type": lambda task: (task.migration_type,),
                "endpoint-arn": lambda task: (task.source.arn, task.target.arn),
                "replication-instance-arn": lambda task: (task.instance.arn,),
            },
        )
        if request.get("Filters") and not found:
            raise not_found("No Tasks found matching provided filters.")
        chosen, marker = page(found, request)
        with_settings = not request.get("WithoutSettings", False)
        return {
            "ReplicationTasks": [task.described(with_settings=with_settings) for task in chosen],
            "Marker": marker,
        }

    def describe_table_statistics(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request["ReplicationTaskArn"])
        found = select(
            list(task.tables.values()),
            request,
            {
                "schema-name": lambda run: (run.schema,),
                "table-name": lambda run: (run.table,),
                "table-state": lambda run: (run.state,),
            },
        )
        chosen, marker = page(found, request, most=500)
        return {
            "ReplicationTaskArn": task.arn,
            "TableStatistics": [run.described() for run in chosen],
            "Marker": marker,
        }

    def start_replication_task(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request["ReplicationTaskArn"])
        start_type = request["StartReplicationTaskType"]
        if task.status not in ("ready", "stopped", "failed"):
            raise wrong_state("Replication Task cannot be started, invalid state")
        if start_type == "start-replication" and task.first_started:
            raise _combination("Start Type : START_REPLICATION, valid only for tasks running for the first time")
        if start_type != "start-replication" and not task.first_started:
            name = start_type.replace("-", "_").upper()
            raise _combination(f"Start Type : {name}, not valid for tasks running for the first time")
        if task.migration_type not in ENGINES:
            raise _combination(
                f"Migration type {task.migration_type} cannot be started on this stand-in; it runs {', '.join(ENGINES)}"
            )
        if given := sorted(set(request) & {"CdcStartTime", "CdcStartPosition", "CdcStopPosition"}):
            raise _combination(f"{', '.join(given)} is not valid for migration type {task.migration_type}")
        for endpoint in (task.source, task.target):
            if not self._tested(task.instance, endpoint):
                raise wrong_state(
                    f"Test connection for replication instance {task.instance.identifier} and endpoint "
                    f"{endpoint.identifier} should be successful for starting the replication task"
                )
        self._start(task, start_type)
        return {"ReplicationTask": task.described()}

    def stop_replication_task(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request["ReplicationTaskArn"])
        if task.status != "running" or task.engine is None:
            raise wrong_state("Replication Task cannot be stopped, invalid state")
        task.enter("stopping")
        task.engine.stop()
        return {"ReplicationTask": task.described()}

    def delete_replication_task(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request["ReplicationTaskArn"])
        if task.status not in ("ready", "stopped", "failed"):
            raise wrong_state("Replication Task cannot be deleted, invalid state")
        task.enter("deleting")
        return {"ReplicationTask": task.described()}

    def _task(self, arn: str) -> Task:
        if arn not in self._tasks:
            raise not_found(f"Replication Task {arn} not found.")
        return self._tasks[arn]

    def _start(self, task: Task, start_type: str) -> None:
        task.started = datetime.now(timezone.utc)
        task.first_started = task.first_started or task.started
        task.ended = task.stop_reason = task.failure = None
        # A resumed full load goes on with the tables that it has not completed.
        resumed = start_type == "resume-processing"
        task.tables = {name: run for name, run in task.tables.items() if resumed and run.state == "Table completed"}
        task.enter("starting")

        def running() -> None:
            with self._lock:
                task.enter("running")

        def finish(ending: Ending) -> None:
            with self._lock:
                task.ended = datetime.now(timezone.utc)
                task.stop_reason, task.failure = ending.stop_reason, ending.failure
                task.enter(ending.status)

        job = Job(task.identifier, task.source, task.target, task.mapping, task.settings, start_type)
        task.engine = ENGINES[task.migration_type](job, task.tables, self._faults, self._delays, running, finish)
        task.engine.start()


def _combination(message: str) -> ApiError:
    return ApiError("InvalidParameterCombinationException", message)
