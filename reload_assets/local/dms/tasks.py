"""Replication tasks: their life cycle, progress and statistics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import psycopg

from reload_assets.local.dms import settings
from reload_assets.local.dms.cdc import Cdc
from reload_assets.local.dms.engine import Delays, Ending, Engine, Measures
from reload_assets.local.dms.faults import Faults
from reload_assets.local.dms.load import FullLoad
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.paging import checked_identifier, new_arn, page, select
from reload_assets.local.dms.protocol import ApiError, already_exists, invalid, not_found, wrong_state
from reload_assets.local.dms.records import Endpoint, Instance
from reload_assets.local.dms.task import Task

_log = logging.getLogger(__name__)

ENGINES: Mapping[str, type[Engine]] = {"full-load": FullLoad, "cdc": Cdc}
# How often, and how many seconds apart, a deleted task's leftovers on its databases are tried to be removed.
_DISCARDS = 10
_DISCARD_PAUSE = 0.2
# Tables of one ReloadTables.
_MOST_RELOADED = 10


class Tasks:
    """The task operations. ``tasks`` are those there are, by ARN; ``tested`` tells whether an endpoint's connection
    test was successful; ``changed`` is called whenever something changed that outlives a restart.
    """

    def __init__(
        self,
        lock: threading.RLock,
        delays: Delays,
        faults: Faults,
        tasks: dict[str, Task],
        tested: Callable[[Instance, Endpoint], bool],
        changed: Callable[[], None],
    ) -> None:
        self._lock, self._delays, self._faults, self._tasks = lock, delays, faults, tasks
        self._tested, self._changed = tested, changed
        self._engines: dict[str, Engine] = {}
        self._discarding: dict[str, threading.Thread] = {}

    def has(self, arn: str) -> bool:
        return arn in self._tasks

    def using(self, endpoint: Endpoint) -> bool:
        return any(endpoint in (task.source, task.target) for task in self._tasks.values())

    def settle(self) -> None:
        """Advance the states whose time is over: a task in creating becomes ready, one in deleting is removed."""
        for task in list(self._tasks.values()):
            waited = time.monotonic() - task.since
            if task.status == "creating" and waited >= self._delays.create:
                task.enter("ready")
            elif task.status != "deleting" or self._discarding[task.arn].is_alive():
                continue
            elif waited >= self._delays.delete:
                del self._tasks[task.arn], self._discarding[task.arn]

    def restart(self) -> None:
        """After a restart of the stand-in, resume the tasks that ran, and delete those that were being deleted."""
        for task in self._tasks.values():
            if task.status == "deleting":
                self._discard(task)
            elif task.status == "stopping":
                self._end(task, Ending("stopped", "Stop Reason NORMAL"))
            elif task.status in ("starting", "running") and not ENGINES[task.migration_type].resumes:
                self._end(task, Ending.fatal("The replication instance was restarted during the load."))
            elif task.status in ("starting", "running"):
                self._run(task, "resume-processing")

    def close(self, *, discard: bool) -> None:
        """Stop every engine and wait for it; ``discard`` what tasks leave on their databases if nobody resumes them."""
        with self._lock:
            engines = list(self._engines.values())
        for engine in engines:
            engine.stop()
        for engine in engines:
            engine.join()
        for task in list(self._tasks.values()) if discard else []:
            if task.first_started and task.arn not in self._discarding:
                self._discard(task)
        for thread in list(self._discarding.values()):
            thread.join()

    def measures(self, arn: str) -> Measures:
        """Raises KeyError for a task that is not there."""
        with self._lock:
            return self._tasks[arn].measures

    def create(self, request: dict[str, Any], source: Endpoint, target: Endpoint, instance: Instance) -> Task:
        """Return a new task in ``creating``. Raises ApiError for a bad or used identifier, mapping or settings."""
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
        if task.migration_type == "cdc" and start_type == "reload-target":
            raise _combination("Start Type : RELOAD_TARGET, not valid for tasks with migration type cdc")
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
        if task.status != "running":
            raise wrong_state("Replication Task cannot be stopped, invalid state")
        task.enter("stopping")
        self._engines[task.arn].stop()
        return {"ReplicationTask": task.described()}

    def reload_tables(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request["ReplicationTaskArn"])
        if task.status != "running":
            raise wrong_state("Replication Task cannot be reloaded, invalid state")
        names = [(one["SchemaName"], one["TableName"]) for one in request["TablesToReload"]]
        if not 1 <= len(names) <= _MOST_RELOADED or len(set(names)) < len(names):
            raise invalid(f"TablesToReload must hold 1 to {_MOST_RELOADED} different tables.")
        if missing := [f"{schema}.{table}" for schema, table in names if (schema, table) not in task.tables]:
            raise not_found(f"Replication Task {task.arn} has no table {', '.join(missing)}.")
        option = request.get("ReloadOption", "data-reload")
        if option == "validate-only" and not task.job("resume-processing").validation:
            raise wrong_state("ReloadOption validate-only needs a task with EnableValidation.")
        if why := self._engines[task.arn].reload([task.tables[name] for name in names], option):
            raise wrong_state(why)
        return {"ReplicationTaskArn": task.arn}

    def delete_replication_task(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request["ReplicationTaskArn"])
        if task.status not in ("ready", "stopped", "failed"):
            raise wrong_state("Replication Task cannot be deleted, invalid state")
        task.enter("deleting")
        self._discard(task)
        return {"ReplicationTask": task.described()}

    def _task(self, arn: str) -> Task:
        if arn not in self._tasks:
            raise not_found(f"Replication Task {arn} not found.")
        return self._tasks[arn]

    def _start(self, task: Task, start_type: str) -> None:
        task.started = datetime.now(timezone.utc)
        task.first_started = task.first_started or task.started
        task.ended = task.stop_reason = task.failure = None
        task.tables = ENGINES[task.migration_type].kept(task.tables, start_type)
        self._run(task, start_type)

    def _run(self, task: Task, start_type: str) -> None:
        task.enter("starting")

        def running() -> None:
            with self._lock:
                task.enter("running")
                self._changed()

        def note() -> None:
            with self._lock:
                self._changed()

        def finish(ending: Ending) -> None:
            with self._lock:
                self._end(task, ending)
                self._changed()

        kind = ENGINES[task.migration_type]
        job = task.job(start_type)
        engine = kind(job, task.tables, self._faults, self._delays, running, note, finish)
        self._engines[task.arn] = engine
        engine.start()

    def _end(self, task: Task, ending: Ending) -> None:
        task.ended = datetime.now(timezone.utc)
        task.stop_reason, task.failure = ending.stop_reason, ending.failure
        task.enter(ending.status)

    def _discard(self, task: Task) -> None:
        """Remove a deleted task's leftovers. The task is gone once that succeeded, or has failed too often."""
        thread = threading.Thread(target=_discard, args=(task,), name=f"dms-{task.identifier}-delete", daemon=True)
        self._discarding[task.arn] = thread
        thread.start()


def _discard(task: Task) -> None:
    job = task.job("resume-processing")
    for _ in range(_DISCARDS if task.first_started else 0):
        try:
            return ENGINES[task.migration_type].discard(job)
        except psycopg.Error as error:
            why = task.source.without_password(error)
        time.sleep(_DISCARD_PAUSE)
        _log.warning("Task %s leaves its slot behind: %s", task.identifier, why)


def _combination(message: str) -> ApiError:
    return ApiError("InvalidParameterCombinationException", message)
