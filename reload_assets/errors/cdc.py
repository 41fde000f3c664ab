"""Errors of the CDC task: what prevents a reload from running beside it."""

from __future__ import annotations

from reload_assets.errors import CdcNotReady, DmsError, in_brackets, sample


class CdcNotRunning(CdcNotReady):
    """The CDC task does not run, and no reload has stopped it for its fence."""

    code = "cdc-not-running"
    advice = (
        "Fix the reason that DMS gives, resume the task, then reload. With `cdc.when_behind: wait` a load waits for it."
    )
    example = sample(
        task="sales-cdc", status="failed", reason="FATAL_ERROR: Relation not found", consequence="not running"
    )

    def __init__(self, task: str, status: str, reason: str, consequence: str) -> None:
        fix = "fix that and resume it" if status == "failed" else "resume it"
        super().__init__(f"The CDC task {task} is {status}{in_brackets(reason)}, {consequence}; {fix}.")


class CdcBehind(CdcNotReady):
    """Before a load, the CDC task lags more than `cdc.max_lag_seconds`, or does not report its position."""

    code = "cdc-behind"
    advice = "Reload once the task has caught up, raise `cdc.max_lag_seconds`, or set `cdc.when_behind: wait`."
    example = sample(task="sales-cdc", lag="lags 600 s behind the source", limit_seconds=60, waited=" after 300 s")

    def __init__(self, task: str, lag: str, limit_seconds: float, waited: str) -> None:
        super().__init__(
            f"The CDC task {task} {lag} (limit {limit_seconds:g} s){waited}; reload the window once it has caught up, "
            "or set cdc.when_behind."
        )


class CdcNotPassed(CdcNotReady):
    """Within `cdc.wait_seconds`, CDC did not process everything that the source committed before the load's end."""

    code = "cdc-not-passed"
    advice = "Let the task catch up and materialize production again, or raise `cdc.wait_seconds`."
    example = sample(
        task="sales-cdc",
        wanted="2025-01-03T09:45:10Z",
        seconds=300,
        position="applied up to 2025-01-03T09:40:00+00:00, 12 changes pending",
    )

    def __init__(self, task: str, wanted: str, seconds: float, position: str) -> None:
        super().__init__(
            f"The CDC task {task} has not passed {wanted} after {seconds:.0f} s ({position}); let it catch up, or "
            "raise cdc.wait_seconds."
        )


class CdcStatusMissing(CdcNotReady):
    """`awsdms_status` has no row of the CDC task, so its position is unknown."""

    code = "cdc-status-missing"
    advice = "Check `cdc.task_arn`, `cdc.control_schema` and the task's `ControlTablesSettings`."
    example = sample(table="public.awsdms_status", task="ABCDEFGH")

    def __init__(self, table: str, task: str) -> None:
        super().__init__(f"{table} has no row of the CDC task {task}; check cdc.task_arn and the task's settings.")


class CdcAhead(CdcNotReady):
    """`awsdms_status` names an instant that is still in the future, so it cannot be believed."""

    code = "cdc-ahead"
    advice = "Check that DMS writes UTC there, and that no clock was set back. `cdc.margin_seconds` are tolerated."
    example = sample(
        table="public.awsdms_status",
        task="ABCDEFGH",
        instant="2025-01-03T10:45:00Z",
        seconds=3600.0,
        clock="source's",
    )

    def __init__(self, table: str, task: str, instant: str, seconds: float, clock: str) -> None:
        super().__init__(
            f"{table} says that the CDC task {task} is at {instant}, {seconds:,.1f} s ahead of the {clock} clock, "
            "which cannot be right; check that DMS writes UTC there, and that no clock was set back."
        )


class ControlTableMissing(CdcNotReady):
    """The target lacks a control table, in which DMS reports CDC's position or the statements that CDC skipped."""

    code = "control-table-missing"
    advice = "Enable the table in the task's `ControlTablesSettings`, or fix `cdc.control_schema`."
    example = sample(table="public.awsdms_status", setting="StatusTableEnabled")

    def __init__(self, table: str, setting: str) -> None:
        super().__init__(
            f"The target has no table {table}, in which DMS reports on CDC; set ControlTablesSettings.{setting} of the "
            "CDC task, or fix cdc.control_schema."
        )


class ControlTableDenied(CdcNotReady):
    """The login of `target.connection` may not read a control table of DMS."""

    code = "control-table-denied"
    advice = "Have a DBA run `sql/roles/grant_control_tables.sql`."
    example = sample(table="public.awsdms_status")

    def __init__(self, table: str) -> None:
        super().__init__(f"This login may not read {table}; have a DBA run sql/roles/grant_control_tables.sql.")


class FenceBusy(CdcNotReady):
    """Another reload has kept the CDC task stopped for longer than `cdc.wait_seconds`."""

    code = "fence-busy"
    advice = (
        "In `admin.reloads`, find the reload that has `cdc_stopped_at` and no `cdc_resumed_at`; merge again once the "
        "task is resumed."
    )
    example = sample(task="arn:aws:dms:eu-west-1:123456789012:task:ABCDEFGH", seconds=300)

    def __init__(self, task: str, seconds: float) -> None:
        super().__init__(
            f"Another reload has kept the CDC task {task} stopped for {seconds:g} s; see cdc_stopped_at in "
            "admin.reloads, then merge again."
        )


class CdcTableSuspended(CdcNotReady):
    """The CDC task runs and does not carry a table: it suspended it after an error, or is loading it again."""

    code = "cdc-table-suspended"
    advice = (
        "Read `awsdms_apply_exceptions` and the task's log, fix the cause, and let the task carry the table again: "
        "reload the table in DMS (ReloadTables), or stop and resume the task. Only then reload windows of it."
    )
    example = sample(task="ABCDEFGH", tables="SALES.ORDERS (Table error)")

    def __init__(self, task: str, tables: str) -> None:
        super().__init__(
            f"The CDC task {task} does not carry the changes of {tables}; see its log and awsdms_apply_exceptions, and "
            "let it carry the table again."
        )


class CdcUnsuitable(CdcNotReady):
    """The CDC task does not carry the group's tables as a reload needs it to. Each finding has its own code."""

    code = "cdc-unsuitable"
    advice = "Fix each finding; its code is explained below, under the findings on the CDC task."
    example = sample(
        findings="The CDC task sales-cdc does not select SALES.ORDERS, so it carries no changes into "
        "production.orders; name the task that does in cdc.task_arn, or in cdc_task_arn of the group. [not-selected]"
    )

    def __init__(self, findings: str) -> None:
        super().__init__(findings)


class CdcTaskLoads(DmsError):
    """`cdc.task_arn` names a task that only loads and does not replicate changes."""

    code = "cdc-task-loads"
    advice = "Name the ARN of the CDC task in `cdc.task_arn`."
    example = sample(task="reload-sales-7-a1b2c3")

    def __init__(self, task: str) -> None:
        super().__init__(f"The DMS task {task} only loads and is not a CDC task; check cdc.task_arn.")


class CdcTaskNeverStarted(DmsError):
    """The CDC task has not run yet, so DMS cannot resume it."""

    code = "cdc-task-never-started"
    advice = "Start it yourself (`start-replication`), from the position where it is to begin; then reload again."
    example = sample(task="sales-cdc")

    def __init__(self, task: str) -> None:
        super().__init__(
            f"The CDC task {task} was never started, and DMS resumes only a task that has run; start it with "
            "start-replication."
        )


class CdcTaskNotStopped(DmsError):
    """The CDC task did not stop in time for a fence."""

    code = "cdc-task-not-stopped"
    advice = "See the task's log in DMS; merge again once the task runs normally. The fence resumes it by itself."
    example = sample(task="sales-cdc", status="stopping", seconds=300)

    def __init__(self, task: str, status: str, seconds: float) -> None:
        super().__init__(
            f"The CDC task {task} is still {status} {seconds:.0f} s after it was asked to stop; see its log in DMS."
        )


class CdcTaskNotResumed(DmsError):
    """The CDC task did not run again after a fence. Until it does, nothing carries changes to production."""

    code = "cdc-task-not-resumed"
    advice = "Resume the task by hand at once (`resume-processing`); the sensor `sweeper` tries too."
    example = sample(task="sales-cdc", status="failed", reason="RECOVERABLE_ERROR", seconds=300)

    def __init__(self, task: str, status: str, reason: str, seconds: float) -> None:
        super().__init__(
            f"The CDC task {task} does not run {seconds:.0f} s after it was resumed: it is {status}"
            f"{in_brackets(reason)}; resume it by hand."
        )
