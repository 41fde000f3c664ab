"""Runs the project's real jobs on a real Dagster instance and reads back what came of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult

from reload_assets.assets.load_steps import said_by
from reload_assets.code_location import build_code_location
from reload_assets.config.model import load_config
from reload_assets.local.stack import FIRST_DAY, REGION, Stack, checkout_file

DAYS = 90
_days = itertools.count(1)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def take_day() -> date:
    """A day of the stack that no other scenario touches."""
    number = next(_days)
    assert number < DAYS, "give the stack more days"
    return FIRST_DAY + timedelta(days=number)


class Runner:
    """One configuration on the embedded stack."""

    def __init__(self, stack: Stack, instance: DagsterInstance, config_file: Path | None = None) -> None:
        self.stack = stack
        self.instance = instance
        self.config = load_config(config_file or checkout_file("reload.yaml"))
        self.definitions = build_code_location(self.config).definitions

    def run(
        self,
        partition: str | None,
        *,
        job: str = "reload_sales",
        assets: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ExecuteInProcessResult:
        """Run a job, for a partition if it has some, or only some of its assets (``staging/orders``)."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            asset_selection=[AssetKey(name.split("/")) for name in assets] if assets else None,
            tags=dict(tags or {}),
            run_config=_QUIET,
            raise_on_error=False,
        )

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the target database, read as superuser."""
        with self.stack.connect_target() as connection:
            return connection.execute(statement.encode(), values or None).fetchall()

    def ledger(self, run_id: str) -> dict[str, Any]:
        """The ledger's row of the reload that a run opened."""
        with self.stack.connect_target() as connection:
            cursor = connection.execute("SELECT * FROM admin.reloads WHERE run_id = %s", (run_id,))
            rows = cursor.fetchall()
            assert len(rows) == 1
            assert cursor.description
            return {column.name: value for column, value in zip(cursor.description, rows[0], strict=True)}

    def dms_tasks(self) -> list[str]:
        """The identifiers of the load tasks that exist; the CDC task is always there."""
        client = boto3.client("dms", endpoint_url=self.stack.dms.url, region_name=REGION)
        found = client.describe_replication_tasks(WithoutSettings=True)["ReplicationTasks"]
        return [
            task["ReplicationTaskIdentifier"]
            for task in found
            if task["MigrationType"] == "full-load" and task["Status"] != "deleting"
        ]


def failures(result: ExecuteInProcessResult) -> list[str]:
    """What the failed steps of a run say to a user."""
    said = []
    for event in result.all_events:
        if event.is_step_failure:
            said.append(said_by(event.step_failure_data))
    return said


def checks(result: ExecuteInProcessResult) -> dict[str, bool]:
    """Each evaluated check of a run, as ``staging/orders.row_count``, and whether it passed."""
    return {
        f"{evaluation.asset_key.to_user_string()}.{evaluation.check_name}": evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }
