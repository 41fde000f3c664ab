"""What the tests of the DMS stand-in share: a small Oracle-like source, a target, endpoints, and unmodified boto3."""

from __future__ import annotations

import copy
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
from psycopg import sql

from reload_assets.local.account import AS_REPLICA
from reload_assets.local.dms import DmsStandIn
from reload_assets.local.dms.faults import Faults
from reload_assets.local.postgres import PostgresServer

SOURCE = """
CREATE SCHEMA "SALES";
CREATE TABLE "SALES"."CUSTOMERS" (
    "CUSTOMER_ID" integer PRIMARY KEY,
    "NAME" varchar(100),
    "UPDATED_AT" timestamp(6)
);
CREATE TABLE "SALES"."ORDERS" (
    "ORDER_ID" integer PRIMARY KEY,
    "CUSTOMER_ID" integer REFERENCES "SALES"."CUSTOMERS",
    "AMOUNT" numeric(10, 2),
    "UPDATED_AT" timestamp(6)
);
INSERT INTO "SALES"."CUSTOMERS"
SELECT n, 'customer ' || n, timestamp '2025-01-01' + (n - 1) * interval '1 day' FROM generate_series(1, 60) AS n;
INSERT INTO "SALES"."ORDERS"
SELECT n, (n - 1) % 60 + 1, n + 0.25, timestamp '2025-01-01' + (n - 1) * interval '12 hours'
FROM generate_series(1, 120) AS n;
"""
STAGING = """
CREATE SCHEMA staging;
CREATE TABLE staging.customers (customer_id integer, name varchar(100), updated_at timestamp);
CREATE TABLE staging.orders (order_id integer, customer_id integer, amount numeric(10, 2), updated_at timestamp);
"""


def selection(number: int, table: str, *filters: dict[str, Any], action: str = "include") -> dict[str, Any]:
    """A selection rule of a SALES table."""
    rule = {
        "rule-type": "selection",
        "rule-id": str(number),
        "rule-name": f"rule-{number}",
        "object-locator": {"schema-name": "SALES", "table-name": table},
        "rule-action": action,
    }
    return rule | ({"filters": list(filters)} if filters else {})


def source_filter(column: str, *conditions: dict[str, str]) -> dict[str, Any]:
    """One filter; its conditions are OR-ed by DMS."""
    return {"filter-type": "source", "column-name": column, "filter-conditions": list(conditions)}


def between(start: str, end: str) -> dict[str, Any]:
    """The one filter that cuts a window, both ends inclusive."""
    return source_filter("UPDATED_AT", {"filter-operator": "between", "start-value": start, "end-value": end})


def transformation(number: int, target: str, action: str, **more: Any) -> dict[str, Any]:
    """A transformation rule of every SALES object of that target."""
    locator = {"schema-name": "SALES"}
    if target != "schema":
        locator["table-name"] = more.pop("table", "%")
    if target == "column":
        locator["column-name"] = more.pop("column", "%")
    return {
        "rule-type": "transformation",
        "rule-id": str(number),
        "rule-name": f"rule-{number}",
        "rule-target": target,
        "object-locator": locator,
        "rule-action": action,
    } | {name.replace("_", "-"): value for name, value in more.items()}


LOWERCASE = (
    transformation(90, "schema", "rename", value="staging"),
    transformation(91, "table", "convert-lowercase"),
    transformation(92, "column", "convert-lowercase"),
)


def mapping(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


class Bench:
    """A stand-in with a tested source and target endpoint; ``run`` takes a task from its creation to its end."""

    def __init__(
        self,
        url: str,
        source_url: str,
        target_url: str,
        faults: Faults | None = None,
        endpoints: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        changes = endpoints or {}
        self.url, self.source_url, self.target_url = url, source_url, target_url
        self.faults = faults or Faults()
        self.client: Any = boto3.client(
            "dms",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
        self.source = self.endpoint("source", "oracle", source_url, **changes.get("source", {}))
        self.target = self.endpoint("target", "postgres", target_url, **changes.get("target", {}))
        instance = self.client.create_replication_instance(
            ReplicationInstanceIdentifier="bench", ReplicationInstanceClass="dms.t3.medium"
        )
        self.instance: str = instance["ReplicationInstance"]["ReplicationInstanceArn"]
        self._numbers = 0

    def endpoint(self, kind: str, engine: str, url: str, **changes: Any) -> str:
        """Create an endpoint for a database URL; its ARN."""
        parts = urlsplit(url)
        request: dict[str, Any] = {
            "EndpointIdentifier": f"bench-{kind}",
            "EndpointType": kind,
            "EngineName": engine,
            "ServerName": parts.hostname,
            "Port": parts.port,
            "DatabaseName": parts.path[1:],
            "Username": parts.username,
            "Password": parts.password,
        }
        if kind == "target":
            request["PostgreSQLSettings"] = {"AfterConnectScript": AS_REPLICA}
        return str(self.client.create_endpoint(**{**request, **changes})["Endpoint"]["EndpointArn"])

    def test_connections(self, *endpoints: str) -> None:
        """Run the connection tests and wait for boto3's own waiter to see them succeed."""
        for arn in endpoints or (self.source, self.target):
            self.client.test_connection(ReplicationInstanceArn=self.instance, EndpointArn=arn)
        for arn in endpoints or (self.source, self.target):
            self.client.get_waiter("test_connection_succeeds").wait(
                Filters=[{"Name": "endpoint-arn", "Values": [arn]}], WaiterConfig={"Delay": 0.02, "MaxAttempts": 200}
            )

    def create(self, rules: str, settings: dict[str, Any] | None = None, **more: Any) -> str:
        """Create a full-load task and wait until it is ready; its ARN.

        Without another TargetTablePrepMode it loads the tables that there are, where DMS would drop them.
        """
        self._numbers += 1
        settings = copy.deepcopy(settings or {})
        settings.setdefault("FullLoadSettings", {}).setdefault("TargetTablePrepMode", "DO_NOTHING")
        request: dict[str, Any] = {
            "ReplicationTaskIdentifier": f"task-{self._numbers}",
            "SourceEndpointArn": self.source,
            "TargetEndpointArn": self.target,
            "ReplicationInstanceArn": self.instance,
            "MigrationType": "full-load",
            "TableMappings": rules,
        }
        request["ReplicationTaskSettings"] = json.dumps(settings)
        arn = str(self.client.create_replication_task(**{**request, **more})["ReplicationTask"]["ReplicationTaskArn"])
        self.wait(arn, "ready")
        return arn

    def start(self, arn: str, how: str = "start-replication") -> None:
        self.client.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType=how)

    def run(self, rules: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
        """Create, start, wait for the end: the task as DescribeReplicationTasks shows it."""
        arn = self.create(rules, settings)
        self.start(arn)
        return self.wait(arn, "stopped", "failed")

    def task(self, arn: str) -> dict[str, Any]:
        answer = self.client.describe_replication_tasks(Filters=[{"Name": "replication-task-arn", "Values": [arn]}])
        task: dict[str, Any] = answer["ReplicationTasks"][0]
        return task

    def wait(self, arn: str, *statuses: str, seconds: float = 15) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (task := self.task(arn))["Status"] not in statuses:
            assert time.monotonic() < deadline, f"still {task['Status']}, not {statuses}"
            time.sleep(0.03)
        return task

    def statistics(self, arn: str) -> dict[str, dict[str, Any]]:
        """Table statistics by table name."""
        answer = self.client.describe_table_statistics(ReplicationTaskArn=arn)
        return {row["TableName"]: row for row in answer["TableStatistics"]}

    def rows(self, query: str, *, on_source: bool = False) -> list[tuple[Any, ...]]:
        """What a query answers on the target (or the source); a statement without rows gives []."""
        with psycopg.connect(self.source_url if on_source else self.target_url, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])


@contextmanager
def two_databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """URLs of a source and a target that a module's tests share, each reset by ``open_bench``."""
    names = [f"bench_{kind}_{uuid.uuid4().hex[:8]}" for kind in ("source", "target")]
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres.url(names[0]), postgres.url(names[1])
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def open_bench(databases: tuple[str, str]) -> Iterator[Bench]:
    """A bench whose connections are tested; source and target are emptied and filled."""
    for url, script in zip(databases, (SOURCE, STAGING), strict=True):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute('DROP SCHEMA IF EXISTS "SALES", staging CASCADE')
            connection.execute(script)
    with DmsStandIn(create_delay=0.02, start_delay=0.02, stop_delay=0.02, delete_delay=0.05) as dms:
        bench = Bench(dms.url, *databases, faults=dms.faults)
        bench.test_connections()
        yield bench
