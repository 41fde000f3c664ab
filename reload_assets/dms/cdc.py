"""The continuous CDC task: its state, and stopping and resuming it around a merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reload_assets.dms.calls import WRONG_STATE, DmsCalls
from reload_assets.dms.examination import TaskDescription
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.verdict import name_of, stop_reason, without_values
from reload_assets.errors import DmsRefusal
from reload_assets.errors.cdc import CdcTaskLoads, CdcTaskNeverStarted, CdcTaskNotResumed, CdcTaskNotStopped
from reload_assets.errors.dms import DmsResourceUnknown
from reload_assets.retries import NotYet, wait_for

# Characters to quote of DMS's text on a failure; the rest is in DMS's log.
_LONGEST_FAILURE = 300
_STOPPED = frozenset({"stopped", "failed", "ready"})


@dataclass(frozen=True)
class CdcState:
    """What DMS says about the task; ``why`` is the reason if it is stopped, ``has_run`` says if it was ever started."""

    identifier: str
    status: str
    why: str
    has_run: bool = True

    @property
    def running(self) -> bool:
        """Whether the task applies changes."""
        return self.status == "running"


class CdcTask:
    """One CDC task, by ARN. Every method raises DmsUnreachable and DmsError, as LoadTasks does."""

    def __init__(self, client: Any, limits: PollLimits, arn: str) -> None:
        self._calls = DmsCalls(client, limits)
        self._limits = limits
        self.arn = arn

    @property
    def resource(self) -> str:
        """The last part of the ARN, which is the TASK_NAME in DMS's control tables.

        https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html
        """
        return self.arn.rsplit(":", 1)[-1]

    def state(self) -> CdcState:
        """Return the task's present state. Raises DmsError if the task does not exist, or only loads."""
        task = self._found(with_settings=False)
        failure = without_values(task.get("LastFailureMessage") or "").removeprefix("Last Error ")[:_LONGEST_FAILURE]
        said = ": ".join(part for part in (stop_reason(task), failure) if part)
        has_run = task["Status"] != "ready" and bool(task.get("ReplicationTaskStartDate"))
        return CdcState(name_of(task), task["Status"], said, has_run)

    def definition(self) -> dict[str, Any]:
        """Return the task as DMS describes it, with its mapping and settings. Raises DmsError."""
        return self._found(with_settings=True)

    def describe(self, load_source_arn: str) -> TaskDescription:
        """Return the task with mapping and settings, its endpoints and its table statistics, in three calls.

        ``load_source_arn`` names the source endpoint that reloads use. Raises DmsError.
        """
        task = self.definition()
        doing = f"looking up the endpoints of the CDC task {name_of(task)}"
        arns = [task["SourceEndpointArn"], task["TargetEndpointArn"], load_source_arn]
        wanted = [{"Name": "endpoint-arn", "Values": sorted(set(arns))}]
        found = self._calls.found("describe_endpoints", "Endpoints", doing, Filters=wanted)
        endpoints = {endpoint["EndpointArn"]: endpoint for endpoint in found}
        if missing := [arn for arn in arns if arn not in endpoints]:
            raise DmsResourceUnknown("endpoint", missing[0])
        statistics = self.statistics()
        source, target, load_source = (endpoints[arn] for arn in arns)
        return TaskDescription(task, source, target, load_source, statistics)

    def statistics(self) -> list[dict[str, Any]]:
        """Return what DMS says about each table of the task. Raises DmsError."""
        return self._calls.found(
            "describe_table_statistics",
            "TableStatistics",
            f"reading the table statistics of the CDC task {self.resource}",
            page_size=500,
            ReplicationTaskArn=self.arn,
        )

    def stop(self) -> None:
        """Stop the task and wait until it has stopped. Does nothing if it is stopped already."""

        def look() -> None:
            state = self.state()
            if state.status in _STOPPED:
                return
            if state.running:
                self._attempt("stop_replication_task", f"stopping the CDC task {state.identifier}")
            raise NotYet(lambda seconds: CdcTaskNotStopped(state.identifier, state.status, seconds))

        wait_for(look, self._limits.watching, self._limits.remove_timeout)

    def resume(self) -> None:
        """Resume the task where it stopped and wait until it runs. Does nothing if it runs already.

        Raises CdcTaskNeverStarted for a task that has not run yet: DMS cannot resume it, and only its owner knows from
        which position it is to start.
        """

        def look() -> None:
            state = self.state()
            if state.running:
                return
            if state.status in _STOPPED and not state.has_run:
                raise CdcTaskNeverStarted(state.identifier)
            if state.status in _STOPPED:
                self._attempt(
                    "start_replication_task",
                    f"resuming the CDC task {state.identifier}",
                    StartReplicationTaskType="resume-processing",
                )
            raise NotYet(lambda seconds: CdcTaskNotResumed(state.identifier, state.status, state.why, seconds))

        wait_for(look, self._limits.watching, self._limits.ready_timeout)

    def _found(self, *, with_settings: bool) -> dict[str, Any]:
        found = self._calls.found(
            "describe_replication_tasks",
            "ReplicationTasks",
            f"looking up the CDC task {self.arn}",
            Filters=[{"Name": "replication-task-arn", "Values": [self.arn]}],
            WithoutSettings=not with_settings,
        )
        if not found:
            raise DmsResourceUnknown("CDC task", self.arn)
        task = found[0]
        if task["MigrationType"] == "full-load":
            raise CdcTaskLoads(name_of(task))
        return task

    def _attempt(self, operation: str, doing: str, **request: str) -> None:
        """Call an operation, and ignore a refusal because another process was faster: the next poll shows the state."""
        try:
            self._calls.call(operation, doing, ReplicationTaskArn=self.arn, **request)
        except DmsRefusal as refusal:
            if refusal.fault not in WRONG_STATE:
                raise
