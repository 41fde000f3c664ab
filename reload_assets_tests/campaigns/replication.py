"""The CDC tasks of a run, made and watched through the API as any client does: production's and the shadow's."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets.local.account import AS_REPLICA
from reload_assets.local.dms.faults import ApplyLag
from reload_assets_tests.campaigns.bench import Bench, Databases
from reload_assets_tests.campaigns.schema import SOURCE_SCHEMA, World
from reload_assets_tests.campaigns.settings import CDC_ROLE, LOAD_ROLE, POLICIES

_PATIENCE_SECONDS = 60.0
_LONGEST_LAG_SECONDS = 0.4
_RESTARTS = 2


class Replication:
    """Source to target and source to shadow. ``task`` and ``shadow_task`` are ARNs."""

    def __init__(self, bench: Bench, databases: Databases, world: World, policy: str, name: str) -> None:
        self._bench, self._client, self._name = bench, bench.client, name
        self._databases, self._world = databases, world
        server, login = bench.source, (bench.source.superuser, bench.source.password)
        self.source_endpoint = self._endpoint("source", "oracle", server.port, databases.source, login)
        # Loads go through a login of their own, which may fill staging tables only.
        load_login = (LOAD_ROLE, bench.password)
        self.load_endpoint = self._endpoint("target", "postgres", bench.target.port, databases.target, load_login)
        cdc_login = (bench.target.superuser, bench.target.password)
        if world.foreign_keys:
            cdc_login = (CDC_ROLE, bench.password)
        self._endpoints = [self.source_endpoint, self.load_endpoint]
        targets = []
        for database in (databases.target, databases.shadow):
            targets.append(self._endpoint("target", "postgres", bench.target.port, database, cdc_login, "-cdc"))
        self._endpoints += targets
        self._test_connections()
        self.task, self.shadow_task = (self._task(arn, policy, number) for number, arn in enumerate(targets))

    def start(self) -> None:
        """Start both tasks and wait until they run and say how far they are."""
        for task in (self.task, self.shadow_task):
            self._client.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
        for task in (self.task, self.shadow_task):
            self._await(lambda task=task: self.status(task) == "running", "a CDC task does not run")
        self.drain()

    def drain(self) -> None:
        """Wait until both have applied everything that is committed by now."""
        with psycopg.connect(self._bench.source.url(self._databases.source), autocommit=True) as connection:
            ((now,),) = connection.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchall()
        for task, database in ((self.task, self._databases.target), (self.shadow_task, self._databases.shadow)):
            with psycopg.connect(self._bench.target.url(database), autocommit=True) as connection:
                self._await(partial(self._has_passed, task, connection, now), "CDC did not catch up")

    def _has_passed(self, task: str, connection: Connection[Any], instant: datetime) -> bool:
        if (status := self.status(task)) != "running":
            raise AssertionError(f"a CDC task is {status}: {self._described(task)['LastFailureMessage']}")
        # Made by the task itself, so it may not be there yet.
        ((exists,),) = connection.execute("SELECT to_regclass('public.awsdms_status') IS NOT NULL").fetchall()
        if not exists:
            return False
        found = connection.execute(
            "SELECT pending_changes = 0 AND source_current_timestamp > %s FROM public.awsdms_status "
            "WHERE task_name = %s",
            (instant, task.rsplit(":", 1)[1]),
        ).fetchone()
        return bool(found and found[0])

    def restart(self) -> None:
        """Stop production's task and resume it."""
        self._client.stop_replication_task(ReplicationTaskArn=self.task)
        self._await(lambda: self.status(self.task) == "stopped", "a CDC task does not stop")
        self._client.start_replication_task(ReplicationTaskArn=self.task, StartReplicationTaskType="resume-processing")
        self._await(lambda: self.status(self.task) == "running", "a CDC task does not run again")

    def status(self, task: str) -> str:
        """The task's status."""
        return str(self._described(task)["Status"])

    def full_load_tasks(self) -> list[str]:
        """The identifiers of the run's load tasks that are still there."""
        found = self._client.describe_replication_tasks(WithoutSettings=True)["ReplicationTasks"]
        return [
            str(task["ReplicationTaskIdentifier"])
            for task in found
            if task["MigrationType"] == "full-load"
            and task["SourceEndpointArn"] == self.source_endpoint
            and task["Status"] != "deleting"
        ]

    def close(self) -> None:
        """Stop and delete both tasks, which drops their slots, and delete the endpoints."""
        for task in (self.task, self.shadow_task):
            if self.status(task) == "running":
                self._client.stop_replication_task(ReplicationTaskArn=task)
            self._await(
                lambda task=task: self.status(task) in ("stopped", "failed", "ready"), "a CDC task does not stop"
            )
            self._client.delete_replication_task(ReplicationTaskArn=task)
        self._await(lambda: not self._exist(), "the CDC tasks are not deleted")
        for endpoint in self._endpoints:
            self._client.delete_endpoint(EndpointArn=endpoint)

    def _described(self, task: str) -> dict[str, Any]:
        answer = self._client.describe_replication_tasks(Filters=[{"Name": "replication-task-arn", "Values": [task]}])
        found: dict[str, Any] = answer["ReplicationTasks"][0]
        return found

    def _exist(self) -> bool:
        found = self._client.describe_replication_tasks(WithoutSettings=True)["ReplicationTasks"]
        return bool({self.task, self.shadow_task} & {task["ReplicationTaskArn"] for task in found})

    def _endpoint(
        self, kind: str, engine: str, port: int, database: str, login: tuple[str, str], suffix: str = ""
    ) -> str:
        answer = self._client.create_endpoint(
            EndpointIdentifier=f"{self._name}-{database.replace('_', '-')}{suffix}",
            EndpointType=kind,
            EngineName=engine,
            ServerName="127.0.0.1",
            Port=port,
            DatabaseName=database,
            Username=login[0],
            Password=login[1],
            **({"PostgreSQLSettings": {"AfterConnectScript": AS_REPLICA}} if self._is_replica(kind) else {}),
        )
        return str(answer["Endpoint"]["EndpointArn"])

    def _is_replica(self, kind: str) -> bool:
        return kind == "target" and not self._world.foreign_keys

    def _test_connections(self) -> None:
        for endpoint in self._endpoints:
            self._client.test_connection(ReplicationInstanceArn=self._bench.instance, EndpointArn=endpoint)

        def tested() -> bool:
            filters = [{"Name": "replication-instance-arn", "Values": [self._bench.instance]}]
            found = self._client.describe_connections(Filters=filters)["Connections"]
            return {one["EndpointArn"] for one in found if one["Status"] == "successful"} >= set(self._endpoints)

        self._await(tested, "a connection test failed")

    def _task(self, target: str, policy: str, number: int) -> str:
        settings = {
            "ErrorBehavior": dict(POLICIES[policy]),
            "ControlTablesSettings": {"StatusTableEnabled": True},
            "TargetMetadata": {"BatchApplyEnabled": self._world.batch},
            # A batch is what the lag and the fence hold up; a second more between two would be lag, too.
            "ChangeProcessingTuning": {"BatchApplyTimeoutMin": 0},
        }
        answer = self._client.create_replication_task(
            ReplicationTaskIdentifier=f"{self._name}-cdc-{number}",
            SourceEndpointArn=self.source_endpoint,
            TargetEndpointArn=target,
            ReplicationInstanceArn=self._bench.instance,
            MigrationType="cdc",
            TableMappings=json.dumps(_mapping(self._world)),
            ReplicationTaskSettings=json.dumps(settings),
        )
        arn = str(answer["ReplicationTask"]["ReplicationTaskArn"])
        self._await(lambda: self.status(arn) == "ready", "a CDC task is not ready")
        return arn

    @staticmethod
    def _await(condition: Any, otherwise: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{otherwise} after {_PATIENCE_SECONDS:.0f} s")
            time.sleep(0.01)


@contextmanager
def changing_lag(bench: Bench, seed: str) -> Iterator[None]:
    """Change CDC's lag all the time, sometimes to none, until the end of the block."""
    rng, ended = random.Random(seed), threading.Event()

    def change() -> None:
        while True:
            lag = rng.choice((0.0, rng.uniform(0, _LONGEST_LAG_SECONDS)))
            bench.dms.faults.clear(ApplyLag.kind)
            bench.dms.faults.set(ApplyLag(seconds=lag))
            if ended.wait(rng.uniform(0.05, 0.6)):
                return

    thread = threading.Thread(target=change, name="campaign lag", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        bench.dms.faults.clear(ApplyLag.kind)


@contextmanager
def restarting(replication: Replication, seed: str) -> Iterator[None]:
    """Stop CDC twice during the block, and resume it at once from its checkpoint."""
    rng, ended = random.Random(seed), threading.Event()

    def restart() -> None:
        for _ in range(_RESTARTS):
            if ended.wait(rng.uniform(0.3, 2.5)):
                return
            replication.restart()

    thread = threading.Thread(target=restart, name="campaign restarts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _mapping(world: World) -> dict[str, Any]:
    rules: list[dict[str, Any]] = []

    def add(kind: str, rule: dict[str, Any]) -> None:
        number = str(len(rules) + 1)
        rules.append({"rule-type": kind, "rule-id": number, "rule-name": f"rule-{number}", **rule})

    def transform(target: str, action: str, locator: dict[str, str], **more: str) -> None:
        place = {"schema-name": SOURCE_SCHEMA, **locator}
        add("transformation", {"rule-target": target, "object-locator": place, "rule-action": action, **more})

    for spec in world.specs.values():
        locator = {"schema-name": SOURCE_SCHEMA, "table-name": spec.oracle.name}
        add("selection", {"object-locator": locator, "rule-action": "include"})
    transform("schema", "rename", {}, value="production")
    transform("table", "convert-lowercase", {"table-name": "%"})
    transform("column", "convert-lowercase", {"table-name": "%", "column-name": "%"})
    return {"rules": rules}
