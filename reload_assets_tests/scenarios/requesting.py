"""What the request sensor does with rows of ``admin.reload_requests``, and the daemon with its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dagster import RunRequest, SensorResult, SkipReason, build_sensor_context

from reload_assets_tests.scenarios.runs import Runner


def launch(runner: Runner, request: RunRequest, only: Sequence[str] | None = None) -> bool:
    """What the daemon does with a run request, or with ``only`` some of its assets."""
    assets = only or [key.to_user_string() for key in request.asset_selection or []]
    assert request.partition_key is not None
    result = runner.run(
        request.partition_key, job=request.job_name or "reload_sales", assets=assets or None, tags=dict(request.tags)
    )
    return result.success


def ask(runner: Runner, **columns: Any) -> int:
    """Insert a request; its id."""
    names = ", ".join(columns)
    values = ", ".join(["%s"] * len(columns))
    with runner.stack.connect_target() as target:
        row = target.execute(
            f"INSERT INTO admin.reload_requests ({names}) VALUES ({values}) RETURNING request_id".encode(),
            list(columns.values()),
        ).fetchone()
    assert row is not None
    return int(row[0])


def tick(runner: Runner) -> list[RunRequest]:
    """Evaluate the request sensor; the runs that it asks for."""
    sensor = runner.definitions.resolve_sensor_def("reload_requests")
    with build_sensor_context(
        runner.instance,
        repository_def=runner.definitions.get_repository_def(),
        resources={"reload": runner.definitions.resources["reload"]} if runner.definitions.resources else {},
    ) as context:
        result = sensor(context)
    if isinstance(result, SkipReason):
        return []
    assert isinstance(result, SensorResult)
    for addition in result.dynamic_partitions_requests or []:
        runner.instance.add_dynamic_partitions(addition.partitions_def_name, list(addition.partition_keys))
    return list(result.run_requests or [])


def answer(runner: Runner, request_id: int) -> tuple[Any, ...]:
    """Status, run, reload and error of a request."""
    (row,) = runner.query(
        "SELECT status, run_id, reload_id, error FROM admin.reload_requests WHERE request_id = %s", request_id
    )
    return row
