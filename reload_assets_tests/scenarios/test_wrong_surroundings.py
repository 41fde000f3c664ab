"""What is wrong around the tables: servers, logins, DMS, CDC. ``reload-assets doctor`` names each by its code.

Each set-up has several mistakes, because none may hide another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from reload_assets.dms.client import dms_client
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.tasks import LoadTasks
from reload_assets.local.oracle_dictionary import DICTIONARY_VIEWS
from reload_assets.local.stack import REGION, Stack, checkout_file
from reload_assets_tests.scenarios.test_cli import command

LIMITS = PollLimits(
    interval=0.02, max_interval=0.2, ready_timeout=30, load_timeout=30, remove_timeout=30, call_attempts=3
)
# In a transformation, where it has no effect.
FILTER = [
    {
        "filter-type": "source",
        "column-name": "ORDER_ID",
        "filter-conditions": [{"filter-operator": "gte", "value": "1"}],
    }
]
(V_DATABASE,) = [view for view in DICTIONARY_VIEWS if '"V$DATABASE"' in view]
(LOG_GROUPS,) = [view for view in DICTIONARY_VIEWS if 'VIEW public."ALL_LOG_GROUPS"' in view]


@dataclass(frozen=True)
class Wrong:
    """A set-up: statements of a superuser, each with what takes it back; fields of reload.yaml; objects of DMS.

    ``found``: by its code, how grave each finding is and words of what to do. Nothing else than these may be found.
    """

    found: Mapping[str, tuple[str, str]]
    target: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    instance: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=dict)


SETUPS = {
    "both databases": Wrong(
        {
            "deadlock-timeout-short": ("warn", "raise deadlock_timeout"),
            "cdc-login-rights": ("warn", "GRANT INSERT ON TABLE production.documents TO dms"),
            "look-denied": ("warn", "GRANT pg_read_all_stats TO"),
            "zone-of-source": ("warn", "into source.time_zone"),
            "source-name-unknown": ("problem", 'run GRANT SELECT ON "SALES"."CUSTOMERS" TO reload_reader'),
            "lob-over-limit": ("problem", "set dms.task.lob_limit_kb to more than 1, and LobMaxSize of the CDC task"),
        },
        target={
            "ALTER DATABASE target SET deadlock_timeout = '100ms'": "ALTER DATABASE target RESET deadlock_timeout",
            "REVOKE INSERT ON production.documents FROM dms": "GRANT INSERT ON production.documents TO dms",
            "REVOKE pg_read_all_stats FROM reload_job": "GRANT pg_read_all_stats TO reload_job",
        },
        source={
            'REVOKE SELECT ON "SALES"."CUSTOMERS" FROM reload_reader': (
                'GRANT SELECT ON "SALES"."CUSTOMERS" TO reload_reader'
            ),
        },
        config={"source.time_zone": "Asia/Tokyo", "dms.task": {"lob_limit_kb": 1}},
    ),
    "Oracle and the endpoints": Wrong(
        {
            "archive-log-off": ("problem", "ALTER DATABASE ARCHIVELOG"),
            "supplemental-logging-off": ("problem", "ALTER DATABASE ADD SUPPLEMENTAL LOG DATA"),
            "key-not-logged": ("warn", 'ALTER TABLE "SALES"."ORDERS" ADD SUPPLEMENTAL LOG DATA (PRIMARY KEY) COLUMNS'),
            "engine-version-old": ("warn", "upgrade the instance"),
            "endpoint-database": ("problem", "name the same database in both"),
            "load-role-mismatch": ("problem", "load_role"),
        },
        source={
            V_DATABASE.replace("'ARCHIVELOG'", "'NOARCHIVELOG'").replace("'YES'", "'NO'"): V_DATABASE,
            f"{LOG_GROUPS} AND c.relname <> 'ORDERS'": LOG_GROUPS,
        },
        instance={"EngineVersion": "3.5.2"},
        endpoint={"DatabaseName": "dagster"},
    ),
    "a login that reads little and an endpoint that reaches nothing": Wrong(
        {
            "look-denied": ("warn", "GRANT SELECT ON SYS.V_$DATABASE TO reload_reader"),
            "endpoint-unconnected": ("problem", "check the endpoint's host, port, login and network"),
            "load-role-mismatch": ("problem", "load_role"),
        },
        source={
            'REVOKE SELECT ON "V$DATABASE" FROM reload_reader': 'GRANT SELECT ON "V$DATABASE" TO reload_reader',
        },
        endpoint={"Port": 9},
    ),
    "the CDC task": Wrong(
        {
            "cdc-not-running": ("problem", "resume it"),
            "apply-policy": ("problem", "set against_cdc: fence, or change that setting"),
            "not-selected": (
                "problem",
                "The CDC task faulty does not select SALES.CUSTOMERS, so it carries no changes into "
                "production.customers",
            ),
            "not-captured": ("problem", "restart it"),
            "lobs-cut": ("warn", "set its LobMaxSize to 1024"),
            "foreign-keys-enforced": ("warn", "PostgreSQLSettings.AfterConnectScript"),
            "filter-without-include": ("warn", "The CDC task faulty: rule "),
            "wildcard-in-filtered-selection": ("warn", "The CDC task faulty: rule "),
            "endpoint-database": ("problem", "name the same database in both"),
        },
        endpoint={"DatabaseName": "dagster"},
        task={"ErrorBehavior": {"ApplyErrorInsertPolicy": "SUSPEND_TABLE"}, "TargetMetadata": {"LobMaxSize": 32}},
    ),
    "nobody answers": Wrong(
        {
            "source-unreachable": ("problem", "check the address"),
            "dms-unanswered": ("problem", "check endpoint_url and the network"),
            "tables-unseen": ("warn", "run doctor again"),
            "config-value": ("problem", "notify.sns.topic_arn: 'topic' is not the ARN of an SNS topic"),
            "notify-silent": ("warn", "name one in notify"),
        },
        config={
            "source.connection.port": 9,
            "dms.endpoint_url": "http://127.0.0.1:9",
            "notify": {"log": False, "sns": {"topic_arn": "topic"}},
        },
    ),
}


class Account:
    """The stand-in's account, with objects beside those of the stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.client: Any = dms_client(
            region=REGION, endpoint_url=stack.dms.url, access_key_id="local", secret_access_key="local"
        )

    def instance(self, **settings: Any) -> str:
        answer = self.client.create_replication_instance(
            ReplicationInstanceIdentifier="old", ReplicationInstanceClass="dms.t3.medium", **settings
        )
        return str(answer["ReplicationInstance"]["ReplicationInstanceArn"])

    def target(self, name: str, **settings: Any) -> str:
        """A target endpoint of the server's superuser."""
        server = self.stack.postgres
        given = {"ServerName": "127.0.0.1", "Port": server.port, "Username": server.superuser}
        given |= {"Password": server.password, "DatabaseName": "target", **settings}
        answer = self.client.create_endpoint(
            EndpointIdentifier=name, EndpointType="target", EngineName="postgres", **given
        )
        return str(answer["Endpoint"]["EndpointArn"])

    def task(self, target: str, settings: Mapping[str, Any]) -> str:
        """The CDC task again, never started: with another target, without CUSTOMERS, and with a filter in vain."""
        arn = [{"Name": "replication-task-arn", "Values": [self.stack.cdc.task.arn]}]
        (task,) = self.client.describe_replication_tasks(Filters=arn)["ReplicationTasks"]
        ours = {name: task[name] for name in ("SourceEndpointArn", "ReplicationInstanceArn", "MigrationType")}
        mapping = json.loads(task["TableMappings"])
        (rule,) = [one for one in mapping["rules"] if one["object-locator"].get("table-name") == "CUSTOMERS"]
        rule["object-locator"]["table-name"] = "CLIENTS"
        mapping["rules"][-1]["filters"] = FILTER
        tasks = LoadTasks(self.client, LIMITS)
        tasks.check_endpoints(ours["SourceEndpointArn"], target, ours["ReplicationInstanceArn"])
        made = self.client.create_replication_task(
            ReplicationTaskIdentifier="faulty",
            TargetEndpointArn=target,
            TableMappings=json.dumps(mapping),
            ReplicationTaskSettings=json.dumps(settings),
            **ours,
        )["ReplicationTask"]["ReplicationTaskArn"]
        tasks.wait_ready(made)
        return str(made)


@contextmanager
def made(stack: Stack, wrong: Wrong, name: str, folder: Path) -> Iterator[str]:
    """Make a set-up and take it back; the name of its reload.yaml."""
    config, account = dict(wrong.config), Account(stack)
    with ExitStack() as opened:
        target, source = opened.enter_context(stack.connect_target()), opened.enter_context(stack.connect_source())
        for connection, statements in ((target, wrong.target), (source, wrong.source)):
            for statement, undone in statements.items():
                connection.execute(statement.encode())
                opened.callback(connection.execute, undone.encode())
        if wrong.instance:
            config["dms.replication_instance_arn"] = account.instance(**wrong.instance)
        endpoint = account.target(name.replace(" ", "-"), **wrong.endpoint) if wrong.endpoint else ""
        if wrong.task:
            config["cdc.task_arn"] = account.task(endpoint, wrong.task)
            opened.callback(account.client.delete_replication_task, ReplicationTaskArn=config["cdc.task_arn"])
        elif endpoint:
            config["dms.target_endpoint_arn"] = endpoint
        document = yaml.safe_load(checkout_file("reload.yaml").read_text(encoding="utf-8"))
        for field_name, value in config.items():
            *path, last = field_name.split(".")
            section = document
            for part in path:
                section = section[part]
            section[last] = value
        file = folder / "reload.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        yield str(file)


@pytest.mark.parametrize("name", SETUPS)
def test_doctor_names_each_mistake_by_its_code_and_goes_on(stack: Stack, tmp_path: Path, name: str) -> None:
    wrong = SETUPS[name]
    with made(stack, wrong, name, tmp_path) as file:
        done = command("--config", file, "doctor", "--json")
    findings = json.loads(done.stdout)
    bad = [one for one in findings if one["severity"] != "ok"]
    assert {one["code"]: one["severity"] for one in bad} == {code: grave for code, (grave, _) in wrong.found.items()}, (
        bad
    )
    for code, (_, words) in wrong.found.items():
        assert any(words in one["text"] for one in bad if one["code"] == code), [
            one["text"] for one in bad if one["code"] == code
        ]
    # No line is there twice.
    assert len({one["text"] for one in findings}) == len(findings)
    assert done.exit_code == 1
