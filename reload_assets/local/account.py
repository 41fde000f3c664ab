"""The local AWS account: a replication instance, two tested endpoints, and the CDC task that feeds production.

All of them are made through the ordinary API of the DMS stand-in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.client import dms_client
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.tasks import LoadTasks

REGION = "us-east-1"
AS_REPLICA = "SET session_replication_role = replica"
"""The AfterConnectScript with which CDC passes by production's foreign keys and triggers."""
CONTROL_SCHEMA = "dmslogs"
_LOB_MAX_KB = 1024
_LIMITS = PollLimits(
    interval=0.02, max_interval=0.2, ready_timeout=60, load_timeout=60, remove_timeout=60, call_attempts=6
)


@dataclass(frozen=True)
class Login:
    """A database user."""

    user: str
    password: str


class Account:
    """An account at ``url``. ``instance``, ``source``, ``target`` and, once the task exists, ``cdc.arn`` are ARNs."""

    def __init__(self, url: str, port: int, *, source: Login, target: Login) -> None:
        """Create the account for the databases ``source`` and ``target`` of one server.

        Raises DmsError if a login does not work.
        """
        # The stand-in accepts any key.
        self._client: Any = dms_client(
            region=REGION, endpoint_url=url, access_key_id="local", secret_access_key="local"
        )
        self._tasks = LoadTasks(self._client, _LIMITS)
        self.instance = self._client.create_replication_instance(
            ReplicationInstanceIdentifier="local", ReplicationInstanceClass="dms.t3.medium"
        )["ReplicationInstance"]["ReplicationInstanceArn"]
        self.source = self._endpoint("oracle-source", "source", "oracle", port, source)
        self.target = self._endpoint("postgres-target", "target", "postgres", port, target)
        self._tasks.check_endpoints(self.source, self.target, self.instance)

    def start_cdc(self, schema: str, tables: Sequence[str], production_schema: str) -> CdcTask:
        """Create the CDC task of a schema's tables and start it. After it returns, no change of the source is missed.

        DMS's own policies apply: a change that does not fit production is logged in awsdms_apply_exceptions, and
        skipped. Raises DmsError, and RuntimeError if the task does not start to run.
        """
        arn = self._client.create_replication_task(
            ReplicationTaskIdentifier="cdc",
            SourceEndpointArn=self.source,
            TargetEndpointArn=self.target,
            ReplicationInstanceArn=self.instance,
            MigrationType="cdc",
            TableMappings=json.dumps({"rules": _rules(schema, tables, production_schema)}),
            ReplicationTaskSettings=json.dumps(
                {
                    "ControlTablesSettings": {"ControlSchema": CONTROL_SCHEMA, "StatusTableEnabled": True},
                    # As large as a reload's limit; otherwise CDC would cut LOBs that a reload has loaded whole.
                    "TargetMetadata": {"LobMaxSize": _LOB_MAX_KB},
                }
            ),
        )["ReplicationTask"]["ReplicationTaskArn"]
        self._tasks.wait_ready(arn)
        self._tasks.start(arn)
        task = CdcTask(self._client, _LIMITS, arn)
        while not (state := task.state()).running:
            if state.status != "starting":
                raise RuntimeError(f"The CDC task is {state.status}: {state.why}")
            time.sleep(_LIMITS.interval)
        return task

    def rows_applied(self, task: CdcTask) -> dict[str, int]:
        """Return the numbers of rows that a CDC task has inserted, updated and deleted since it was started."""
        found = self._client.describe_table_statistics(ReplicationTaskArn=task.arn)["TableStatistics"]
        return {kind.lower(): sum(table[kind] for table in found) for kind in ("Inserts", "Updates", "Deletes")}

    def _endpoint(self, name: str, kind: str, engine: str, port: int, login: Login) -> str:
        made = self._client.create_endpoint(
            EndpointIdentifier=name,
            EndpointType=kind,
            EngineName=engine,
            ServerName="127.0.0.1",
            Port=port,
            DatabaseName=kind,
            Username=login.user,
            Password=login.password,
            **({"PostgreSQLSettings": {"AfterConnectScript": AS_REPLICA}} if kind == "target" else {}),
        )
        return str(made["Endpoint"]["EndpointArn"])


def _rules(schema: str, tables: Sequence[str], production_schema: str) -> list[dict[str, Any]]:
    """Return the mapping rules that carry these tables into the production schema, with names in lower case."""
    places = [{"schema-name": schema, "table-name": table} for table in tables]
    everything = {"schema-name": schema, "table-name": "%"}
    rules: list[dict[str, Any]] = [
        {"rule-type": "selection", "rule-action": "include", "object-locator": place} for place in places
    ]
    rules += [
        {
            "rule-type": "transformation",
            "rule-target": "schema",
            "rule-action": "rename",
            "object-locator": {"schema-name": schema},
            "value": production_schema,
        },
        {
            "rule-type": "transformation",
            "rule-target": "table",
            "rule-action": "convert-lowercase",
            "object-locator": everything,
        },
        {
            "rule-type": "transformation",
            "rule-target": "column",
            "rule-action": "convert-lowercase",
            "object-locator": {**everything, "column-name": "%"},
        },
    ]
    return [{"rule-id": str(number), "rule-name": str(number), **rule} for number, rule in enumerate(rules, start=1)]
