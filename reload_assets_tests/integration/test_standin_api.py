"""The control plane of the DMS stand-in, seen through unmodified boto3."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from reload_assets.local.dms import DmsStandIn
from reload_assets.local.dms.faults import Pause
from reload_assets_tests.integration.standin_bench import (
    LOWERCASE,
    Bench,
    mapping,
    selection,
)

pytestmark = pytest.mark.thorough

RULES = mapping(selection(1, "ORDERS"), *LOWERCASE)


def code_and_text(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def create_raw(bench: Bench, **changes: Any) -> dict[str, Any]:
    request = {
        "ReplicationTaskIdentifier": "raw",
        "SourceEndpointArn": bench.source,
        "TargetEndpointArn": bench.target,
        "ReplicationInstanceArn": bench.instance,
        "MigrationType": "full-load",
        "TableMappings": RULES,
    }
    task: dict[str, Any] = bench.client.create_replication_task(**{**request, **changes})["ReplicationTask"]
    return task


def test_a_task_lives_from_creating_to_gone(bench: Bench) -> None:
    created = create_raw(bench, ReplicationTaskIdentifier="Reload-2025")
    arn = created["ReplicationTaskArn"]
    assert created["Status"] == "creating"
    assert created["ReplicationTaskIdentifier"] == "reload-2025"
    assert "reload" not in arn, "ARNs are opaque"
    assert "ReplicationTaskStats" not in created
    ready = bench.wait(arn, "ready")
    assert (ready["ReplicationTaskStats"]["TablesLoaded"], ready["ReplicationTaskStats"]["ElapsedTimeMillis"]) == (0, 0)
    assert bench.client.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"] == []
    started = bench.client.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType="start-replication")[
        "ReplicationTask"
    ]
    assert started["Status"] == "starting"
    assert bench.wait(arn, "stopped", "failed")["Status"] == "stopped"
    deleted = bench.client.delete_replication_task(ReplicationTaskArn=arn)["ReplicationTask"]
    assert deleted["Status"] == "deleting"
    with pytest.raises(ClientError) as refused:
        create_raw(bench, ReplicationTaskIdentifier="reload-2025")
    assert code_and_text(refused)[0] == "ResourceAlreadyExistsFault", "the identifier is taken while it is deleting"
    by_arn = [{"Name": "replication-task-arn", "Values": [arn]}]
    waiter = bench.client.get_waiter("replication_task_deleted")
    waiter.wait(Filters=by_arn, WaiterConfig={"Delay": 0.02, "MaxAttempts": 100})
    with pytest.raises(ClientError) as refused:
        bench.task(arn)
    assert code_and_text(refused) == ("ResourceNotFoundFault", "No Tasks found matching provided filters.")
    create_raw(bench, ReplicationTaskIdentifier="reload-2025")


def test_boto3_waiters_work(bench: Bench) -> None:
    config = {"Delay": 0.02, "MaxAttempts": 200}
    arn = create_raw(bench)["ReplicationTaskArn"]
    by_arn = [{"Name": "replication-task-arn", "Values": [arn]}]
    bench.client.get_waiter("replication_task_ready").wait(Filters=by_arn, WaiterConfig=config)
    pause = bench.faults.set(Pause())
    bench.start(arn)
    assert pause.reached.wait(5)
    bench.client.get_waiter("replication_task_running").wait(Filters=by_arn, WaiterConfig=config)
    bench.faults.clear()
    bench.client.get_waiter("replication_task_stopped").wait(Filters=by_arn, WaiterConfig=config)
    bench.client.get_waiter("replication_instance_available").wait(
        Filters=[{"Name": "replication-instance-id", "Values": ["bench"]}], WaiterConfig=config
    )


@pytest.mark.parametrize("identifier", ["a_b", "a:b", "a--b", "a-", "1a", "", "a" * 256])
def test_task_identifiers_that_the_service_refuses(bench: Bench, identifier: str) -> None:
    with pytest.raises(ClientError) as refused:
        create_raw(bench, ReplicationTaskIdentifier=identifier)
    assert code_and_text(refused)[0] == "InvalidParameterValueException"


def test_duplicates_swapped_endpoints_and_unknown_arns_are_refused(bench: Bench) -> None:
    create_raw(bench)
    with pytest.raises(ClientError) as refused:
        create_raw(bench, ReplicationTaskIdentifier="RAW")
    assert code_and_text(refused)[0] == "ResourceAlreadyExistsFault"
    with pytest.raises(ClientError) as refused:
        create_raw(bench, ReplicationTaskIdentifier="b", SourceEndpointArn=bench.target, TargetEndpointArn=bench.source)
    assert code_and_text(refused) == (
        "InvalidParameterValueException",
        "ReplicationEngineType [id=2, name=postgres, cdcSupported=Y, endpointType=TARGET, serviceType=EXTERNAL, "
        "externalName=PostgreSQL, rvn=1] endpoint must be of type SOURCE",
    )
    for name in ("SourceEndpointArn", "TargetEndpointArn", "ReplicationInstanceArn"):
        with pytest.raises(ClientError) as refused:
            create_raw(bench, ReplicationTaskIdentifier="c", **{name: "arn:aws:dms:us-east-1:000000000000:x:NO"})
        assert code_and_text(refused)[0] == "ResourceNotFoundFault"
    with pytest.raises(ClientError) as refused:
        bench.endpoint("source", "oracle", bench.source_url)
    assert code_and_text(refused)[0] == "ResourceAlreadyExistsFault"


def test_start_is_gated_by_the_connection_tests(bench: Bench) -> None:
    untested = bench.endpoint("target", "postgres", bench.target_url, EndpointIdentifier="untested")
    arn = bench.create(RULES, TargetEndpointArn=untested)
    with pytest.raises(ClientError) as refused:
        bench.start(arn)
    assert code_and_text(refused) == (
        "InvalidResourceStateFault",
        "Test connection for replication instance bench and endpoint untested should be successful for starting "
        "the replication task",
    )
    bench.test_connections(untested)
    bench.start(arn)
    bench.wait(arn, "stopped")


def test_a_failed_connection_test_says_why_without_the_password(bench: Bench) -> None:
    wrong = bench.endpoint(
        "target", "postgres", bench.target_url, EndpointIdentifier="wrong", Password="not-the-password"
    )
    bench.client.test_connection(ReplicationInstanceArn=bench.instance, EndpointArn=wrong)
    found: dict[str, Any] = {"Status": "testing"}
    while found["Status"] == "testing":
        answer = bench.client.describe_connections(Filters=[{"Name": "endpoint-arn", "Values": [wrong]}])
        [found] = answer["Connections"]
    assert found["Status"] == "failed"
    assert "password authentication failed" in found["LastFailureMessage"]
    endpoints = bench.client.describe_endpoints()["Endpoints"]
    assert {endpoint["EngineName"] for endpoint in endpoints} == {"oracle", "postgres"}
    assert "not-the-password" not in str(found) + str(endpoints)


def test_a_connection_that_is_being_tested_is_not_tested_again(bench: Bench) -> None:
    # A server that accepts and never answers keeps the test going.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = bench.endpoint(
            "target", "postgres", bench.target_url, EndpointIdentifier="slow", Port=silent.getsockname()[1]
        )
        assert (
            bench.client.describe_connections(Filters=[{"Name": "endpoint-arn", "Values": [slow]}])["Connections"] == []
        )
        bench.client.test_connection(ReplicationInstanceArn=bench.instance, EndpointArn=slow)
        with pytest.raises(ClientError) as refused:
            bench.client.test_connection(ReplicationInstanceArn=bench.instance, EndpointArn=slow)
        assert code_and_text(refused)[0] == "InvalidResourceStateFault"


def test_endpoints_are_described_as_the_service_does(bench: Bench) -> None:
    by_type = [{"Name": "endpoint-type", "Values": ["source"]}]
    (source,) = bench.client.describe_endpoints(Filters=by_type)["Endpoints"]
    assert (source["EndpointType"], source["SslMode"]) == ("SOURCE", "none")
    assert source["KmsKeyId"].startswith("arn:aws:kms:")
    serverless = bench.endpoint(
        "target", "aurora-postgresql-serverless", bench.target_url, EndpointIdentifier="serverless"
    )
    bench.test_connections(serverless)


def test_table_statistics_have_every_member_that_the_service_gives(bench: Bench) -> None:
    arn = bench.run(RULES)["ReplicationTaskArn"]
    members = set(bench.client.meta.service_model.shape_for("TableStatistics").members)
    assert members - set(bench.statistics(arn)["ORDERS"]) == set()
    task = bench.task(arn)
    assert (task["RecoveryCheckpoint"], task["CdcStartPosition"]) == ("", "")


def test_a_task_without_settings_drops_and_creates_its_tables(bench: Bench) -> None:
    arn = create_raw(bench)["ReplicationTaskArn"]
    settings = json.loads(bench.wait(arn, "ready")["ReplicationTaskSettings"])
    assert settings["FullLoadSettings"]["TargetTablePrepMode"] == "DROP_AND_CREATE"
    assert settings["TTSettings"] is None
    assert len(settings["Logging"]["LogComponents"]) > 15
    bench.rows("ALTER TABLE staging.orders ADD extra integer")
    bench.start(arn)
    bench.wait(arn, "stopped")
    extra = "SELECT 1 FROM pg_attribute WHERE attrelid = 'staging.orders'::regclass AND attname = 'extra'"
    assert (bench.count("staging.orders"), bench.rows(extra)) == (120, [])


MALFORMED = ["[]", '{"rules": {}}', '{"rules": [1]}', '{"rules": [{"rule-id": []}]}', '{"rules": ' + "[" * 100_000]


@pytest.mark.parametrize("document", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("member", ["TableMappings", "ReplicationTaskSettings"])
def test_malformed_documents_are_refused_with_400(bench: Bench, member: str, document: str) -> None:
    with pytest.raises(ClientError) as refused:
        create_raw(bench, **{member: document})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    code, text = code_and_text(refused)
    assert code == "InvalidParameterValueException"
    mapping_texts = ("Invalid Table Mappings document.", "Invalid table mappings document.", "Valid Table mappings")
    assert text.startswith(mapping_texts if member == "TableMappings" else "Invalid task settings JSON")


def test_endpoint_settings_are_echoed_without_their_password(bench: Bench) -> None:
    parts = urlsplit(bench.source_url)
    endpoint = bench.client.create_endpoint(
        EndpointIdentifier="nested",
        EndpointType="source",
        EngineName="oracle",
        OracleSettings={
            "ServerName": parts.hostname,
            "Port": parts.port,
            "DatabaseName": parts.path[1:],
            "Username": parts.username,
            "Password": parts.password,
        },
    )["Endpoint"]
    assert endpoint["OracleSettings"]["Port"] == parts.port
    assert "Password" not in endpoint["OracleSettings"]
    bench.test_connections(endpoint["EndpointArn"])


def test_start_replication_only_once(bench: Bench) -> None:
    arn = bench.run(RULES)["ReplicationTaskArn"]
    with pytest.raises(ClientError) as refused:
        bench.start(arn)
    assert code_and_text(refused) == (
        "InvalidParameterCombinationException",
        "Start Type : START_REPLICATION, valid only for tasks running for the first time",
    )
    fresh = bench.create(RULES)
    with pytest.raises(ClientError) as refused:
        bench.start(fresh, "reload-target")
    assert code_and_text(refused)[0] == "InvalidParameterCombinationException"


def test_actions_in_the_wrong_state_are_refused(bench: Bench) -> None:
    arn = bench.create(RULES)
    with pytest.raises(ClientError) as refused:
        bench.client.stop_replication_task(ReplicationTaskArn=arn)
    assert code_and_text(refused)[0] == "InvalidResourceStateFault"
    pause = bench.faults.set(Pause())
    bench.start(arn)
    assert pause.reached.wait(5)
    for call in (lambda: bench.client.delete_replication_task(ReplicationTaskArn=arn), lambda: bench.start(arn)):
        with pytest.raises(ClientError) as refused:
            call()
        assert code_and_text(refused)[0] == "InvalidResourceStateFault"
    with pytest.raises(ClientError) as refused:
        bench.client.delete_endpoint(EndpointArn=bench.source)
    assert code_and_text(refused)[0] == "InvalidResourceStateFault"
    with DmsStandIn(create_delay=60) as slow:
        early = Bench(slow.url, bench.source_url, bench.target_url)
        early_arn = create_raw(early)["ReplicationTaskArn"]
        with pytest.raises(ClientError) as refused:
            early.start(early_arn)
    assert code_and_text(refused) == (
        "InvalidResourceStateFault",
        "Replication Task cannot be started, invalid state",
    )


def test_full_load_and_cdc_is_accepted_at_create_and_refused_at_start(bench: Bench) -> None:
    arn = bench.create(RULES, MigrationType="full-load-and-cdc")
    with pytest.raises(ClientError, match="Migration type full-load-and-cdc cannot be started"):
        bench.start(arn)


def test_an_endpoint_can_be_deleted_once_no_task_uses_it(bench: Bench) -> None:
    spare = bench.endpoint("target", "postgres", bench.target_url, EndpointIdentifier="spare")
    assert bench.client.delete_endpoint(EndpointArn=spare)["Endpoint"]["Status"] == "deleting"
    with pytest.raises(ClientError) as refused:
        bench.client.describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [spare]}])
    assert code_and_text(refused)[0] == "ResourceNotFoundFault"


def test_settings_are_completed_and_left_out_on_request(bench: Bench) -> None:
    arn = bench.create(RULES, {"FullLoadSettings": {"CommitRate": 500}})
    settings = json.loads(bench.task(arn)["ReplicationTaskSettings"])
    assert settings["FullLoadSettings"]["CommitRate"] == 500
    assert settings["FullLoadSettings"]["MaxFullLoadSubTasks"] == 8
    assert settings["ErrorBehavior"]["FailOnNoTablesCaptured"] is True
    [short] = bench.client.describe_replication_tasks(WithoutSettings=True)["ReplicationTasks"]
    assert not {"ReplicationTaskSettings", "TableMappings"} & set(short)


def test_paging_walks_through_every_task_once(bench: Bench) -> None:
    for number in range(45):
        create_raw(bench, ReplicationTaskIdentifier=f"many-{number}")
    pages = list(bench.client.get_paginator("describe_replication_tasks").paginate(MaxRecords=20))
    assert [len(page["ReplicationTasks"]) for page in pages] == [20, 20, 5]
    names = [task["ReplicationTaskIdentifier"] for page in pages for task in page["ReplicationTasks"]]
    assert names == [f"many-{number}" for number in range(45)]


def test_paging_limits(bench: Bench) -> None:
    arn = bench.create(RULES)
    for size in (19, 101):
        with pytest.raises(ClientError) as refused:
            bench.client.describe_replication_tasks(MaxRecords=size)
        assert code_and_text(refused)[0] == "InvalidParameterValueException"
    bench.client.describe_table_statistics(ReplicationTaskArn=arn, MaxRecords=500)
    with pytest.raises(ClientError, match="between 20 and 500"):
        bench.client.describe_table_statistics(ReplicationTaskArn=arn, MaxRecords=501)
    with pytest.raises(ClientError, match="Invalid marker"):
        bench.client.describe_replication_tasks(Marker="made-up")


def test_task_filters(bench: Bench) -> None:
    arn = bench.create(RULES)
    for name, value in (
        ("replication-task-id", "task-1"),
        ("migration-type", "full-load"),
        ("endpoint-arn", bench.source),
        ("endpoint-arn", bench.target),
        ("replication-instance-arn", bench.instance),
    ):
        answer = bench.client.describe_replication_tasks(Filters=[{"Name": name, "Values": [value, "other"]}])
        assert [task["ReplicationTaskArn"] for task in answer["ReplicationTasks"]] == [arn]
    with pytest.raises(ClientError) as refused:
        bench.client.describe_replication_tasks(Filters=[{"Name": "status", "Values": ["ready"]}])
    assert code_and_text(refused)[0] == "InvalidParameterValueException"


def test_tags_of_one_and_of_several_resources(bench: Bench) -> None:
    window = {"Key": "window", "Value": "2025-01-03T00:00:00Z--2025-01-04T00:00:00Z"}
    first = bench.create(RULES, Tags=[{"Key": "reload", "Value": "1"}])
    second = bench.create(RULES, Tags=[{"Key": "reload", "Value": "2"}])
    bench.client.add_tags_to_resource(ResourceArn=first, Tags=[window, {"Key": "reload", "Value": "3"}])
    assert bench.client.list_tags_for_resource(ResourceArn=first)["TagList"] == [
        {"Key": "reload", "Value": "3"},
        window,
    ]
    both = bench.client.list_tags_for_resource(ResourceArnList=[first, second])["TagList"]
    assert {(tag["ResourceArn"], tag["Key"], tag["Value"]) for tag in both} == {
        (first, "reload", "3"),
        (first, window["Key"], window["Value"]),
        (second, "reload", "2"),
    }
    with pytest.raises(ClientError) as refused:
        bench.client.add_tags_to_resource(ResourceArn=first, Tags=[{"Key": "long", "Value": "x" * 257}])
    assert code_and_text(refused)[0] == "InvalidParameterValueException"
    with pytest.raises(ClientError) as refused:
        bench.client.list_tags_for_resource(ResourceArn=first + "X")
    assert code_and_text(refused)[0] == "ResourceNotFoundFault"


def test_operations_of_dms_that_are_not_served_say_so(bench: Bench) -> None:
    with pytest.raises(ClientError, match="DescribeEvents is not served"):
        bench.client.describe_events()


def test_the_wire_refuses_what_the_model_does_not_know(bench: Bench) -> None:
    address = urlsplit(bench.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)

    def call(operation: str, body: str) -> tuple[int, dict[str, Any]]:
        connection.request("POST", "/", body, {"X-Amz-Target": f"AmazonDMSv20160101.{operation}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    assert call("DescribeEndpoints", '{"Invented": 1}')[1]["__type"] == "SerializationException"
    assert call("DescribeEndpoints", "no json")[1]["__type"] == "SerializationException"
    assert call("DescribeEndpoints", '{"MaxRecords": "20"}')[1]["__type"] == "ValidationException"
    assert call("DeleteEndpoint", "{}")[1]["__type"] == "ValidationException"
    assert call("StartReplicationTask", '{"ReplicationTaskArn": "x", "StartReplicationTaskType": "now"}')[0] == 400
    assert call("Invented", "{}")[1]["__type"] == "UnknownOperationException"
    status, answer = call("DescribeReplicationInstances", "{}")
    assert status == 200, "on the same connection, kept alive"
    assert isinstance(answer["ReplicationInstances"][0]["InstanceCreateTime"], float), "epoch seconds on the wire"
    connection.close()


def test_a_closed_stand_in_does_not_answer_on_kept_connections(databases: tuple[str, str]) -> None:
    with DmsStandIn() as dms:
        bench = Bench(dms.url, *databases)
        client = bench.client
        client.describe_endpoints()
    with pytest.raises(EndpointConnectionError):
        client.describe_endpoints()
