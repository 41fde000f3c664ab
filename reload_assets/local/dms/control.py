"""The control plane: endpoints, replication instances, connection tests and tags, and the table of operations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import psycopg
from botocore import xform_name

from reload_assets.local.dms.engine import Delays
from reload_assets.local.dms.faults import Faults
from reload_assets.local.dms.paging import checked_identifier, new_arn, page, select
from reload_assets.local.dms.protocol import ApiError, already_exists, invalid, not_found, wrong_state
from reload_assets.local.dms.records import Connection, Endpoint, Instance
from reload_assets.local.dms.state import State, StateFile
from reload_assets.local.dms.tasks import Tasks

_log = logging.getLogger(__name__)

OPERATIONS = (
    "CreateEndpoint",
    "DescribeEndpoints",
    "DeleteEndpoint",
    "CreateReplicationInstance",
    "DescribeReplicationInstances",
    "TestConnection",
    "DescribeConnections",
    "CreateReplicationTask",
    "DescribeReplicationTasks",
    "StartReplicationTask",
    "StopReplicationTask",
    "DeleteReplicationTask",
    "DescribeTableStatistics",
    "ReloadTables",
    "ListTagsForResource",
    "AddTagsToResource",
)
_ENGINES = {
    "oracle": "Oracle",
    "postgres": "PostgreSQL",
    "aurora-postgresql": "Amazon Aurora PostgreSQL",
    "aurora-postgresql-serverless": "Amazon Aurora PostgreSQL Serverless",
}
_ECHOED = (
    "ServerName",
    "Port",
    "DatabaseName",
    "Username",
    "ExtraConnectionAttributes",
    "SslMode",
    "OracleSettings",
    "PostgreSQLSettings",
)
_MOST_TAGS = 50


class Control:
    """All state of the stand-in, behind one lock and saved in the ``file`` if any. ``call`` answers operations.

    Raises ValueError if the file does not hold such a state.
    """

    def __init__(self, delays: Delays, faults: Faults, file: StateFile | None = None) -> None:
        self._lock = threading.RLock()
        self._file = file
        self._state = file.load() if file else State()
        self._endpoints, self._instances = self._state.endpoints, self._state.instances
        self._connections, self._tags = self._state.connections, self._state.tags
        self.tasks = Tasks(self._lock, delays, faults, self._state.tasks, self._tested, self._save)
        self._calls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        for operation in OPERATIONS:
            name = xform_name(operation)
            self._calls[operation] = getattr(self, name, None) or getattr(self.tasks, name)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one checked request. Raises ApiError."""
        if operation not in self._calls:
            raise ApiError("UnknownOperationException", f"{operation} is not served by this stand-in.")
        with self._lock:
            self.tasks.settle()
            answer = self._calls[operation](request)
            if not operation.startswith(("Describe", "List")):
                self._save()
            return answer

    def restart(self) -> None:
        """Resume the tasks of the state file that were running."""
        with self._lock:
            self.tasks.restart()
            self._save()

    def close(self) -> None:
        """Stop every running task and wait for its engine. In the state file they stay running, to be resumed."""
        with self._lock:
            keeps, self._file = self._file is not None, None
        self.tasks.close(discard=not keeps)

    def _save(self) -> None:
        if self._file:
            self._file.save(self._state)

    # Endpoints

    def create_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        identifier = checked_identifier("EndpointIdentifier", request["EndpointIdentifier"], 255)
        engine = request["EngineName"]
        if engine not in _ENGINES:
            raise invalid(f"Engine name {engine} is not supported by this stand-in; it has {', '.join(_ENGINES)}.")
        if any(endpoint.identifier == identifier for endpoint in self._endpoints.values()):
            raise already_exists(f"Endpoint {identifier} already exists.")
        nested = request.get("OracleSettings" if engine == "oracle" else "PostgreSQLSettings", {})
        login = {**nested, **request}
        for name in ("ServerName", "Port", "DatabaseName", "Username", "Password"):
            if not login.get(name):
                raise invalid(f"{name} must be provided for endpoint {identifier}.")
        endpoint = Endpoint(
            arn=new_arn("endpoint", request.get("ResourceIdentifier")),
            identifier=identifier,
            type=request["EndpointType"],
            engine=engine,
            engine_title=_ENGINES[engine],
            login={name: login[name] for name in ("ServerName", "Port", "DatabaseName", "Username", "Password")},
            echoed={name: _shown(request[name]) for name in _ECHOED if name in request},
            settings=nested,
        )
        self._set_tags(endpoint.arn, request.get("Tags", []))
        self._endpoints[endpoint.arn] = endpoint
        return {"Endpoint": endpoint.described()}

    def describe_endpoints(self, request: dict[str, Any]) -> dict[str, Any]:
        found = select(
            list(self._endpoints.values()),
            request,
            {
                "endpoint-arn": lambda one: (one.arn,),
                "endpoint-id": lambda one: (one.identifier,),
                "endpoint-type": lambda one: (one.type, one.type.upper()),
                "engine-name": lambda one: (one.engine,),
            },
        )
        _refuse_empty(found, request, "Endpoints")
        chosen, marker = page(found, request)
        return {"Endpoints": [one.described() for one in chosen], "Marker": marker}

    def delete_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        endpoint = self._endpoint(request["EndpointArn"])
        if self.tasks.using(endpoint):
            raise wrong_state(f"Endpoint {endpoint.arn} is part of one or more ReplicationTasks.")
        del self._endpoints[endpoint.arn]
        self._tags.pop(endpoint.arn, None)
        for key in [key for key in self._connections if key[1] == endpoint.arn]:
            del self._connections[key]
        return {"Endpoint": endpoint.described() | {"Status": "deleting"}}

    # Replication instances

    def create_replication_instance(self, request: dict[str, Any]) -> dict[str, Any]:
        identifier = checked_identifier("ReplicationInstanceIdentifier", request["ReplicationInstanceIdentifier"], 63)
        if any(instance.identifier == identifier for instance in self._instances.values()):
            raise already_exists(f"Replication instance {identifier} already exists.")
        instance = Instance(
            arn=new_arn("rep", request.get("ResourceIdentifier")),
            identifier=identifier,
            instance_class=request["ReplicationInstanceClass"],
            storage=request.get("AllocatedStorage", 50),
            engine_version=request.get("EngineVersion", "3.6.1"),
            created=datetime.now(timezone.utc),
        )
        self._set_tags(instance.arn, request.get("Tags", []))
        self._instances[instance.arn] = instance
        return {"ReplicationInstance": instance.described()}

    def describe_replication_instances(self, request: dict[str, Any]) -> dict[str, Any]:
        found = select(
            list(self._instances.values()),
            request,
            {
                "replication-instance-arn": lambda one: (one.arn,),
                "replication-instance-id": lambda one: (one.identifier,),
                "replication-instance-class": lambda one: (one.instance_class,),
                "engine-version": lambda one: (one.engine_version,),
            },
        )
        _refuse_empty(found, request, "Replication Instances")
        chosen, marker = page(found, request)
        return {"ReplicationInstances": [one.described() for one in chosen], "Marker": marker}

    # Connections

    def test_connection(self, request: dict[str, Any]) -> dict[str, Any]:
        instance = self._instance(request["ReplicationInstanceArn"])
        endpoint = self._endpoint(request["EndpointArn"])
        earlier = self._connections.get((instance.arn, endpoint.arn))
        if earlier is not None and earlier.status == "testing":
            raise wrong_state(f"The connection of endpoint {endpoint.identifier} is already being tested.")
        connection = Connection(instance, endpoint)
        self._connections[instance.arn, endpoint.arn] = connection
        answer = {"Connection": connection.described()}
        threading.Thread(target=self._try, args=(connection,), name="dms-connection-test", daemon=True).start()
        return answer

    def describe_connections(self, request: dict[str, Any]) -> dict[str, Any]:
        found = select(
            list(self._connections.values()),
            request,
            {
                "endpoint-arn": lambda one: (one.endpoint.arn,),
                "replication-instance-arn": lambda one: (one.instance.arn,),
            },
        )
        chosen, marker = page(found, request)
        return {"Connections": [one.described() for one in chosen], "Marker": marker}

    # Tags

    def add_tags_to_resource(self, request: dict[str, Any]) -> dict[str, Any]:
        self._refuse_unknown(request["ResourceArn"])
        self._set_tags(request["ResourceArn"], request["Tags"])
        return {}

    def list_tags_for_resource(self, request: dict[str, Any]) -> dict[str, Any]:
        if ("ResourceArn" in request) == ("ResourceArnList" in request):
            raise ApiError("InvalidParameterCombinationException", "Give either ResourceArn or ResourceArnList.")
        arns = request.get("ResourceArnList") or [request["ResourceArn"]]
        for arn in arns:
            self._refuse_unknown(arn)
        several = "ResourceArnList" in request
        return {
            "TagList": [
                {"Key": key, "Value": value} | ({"ResourceArn": arn} if several else {})
                for arn in arns
                for key, value in self._tags.get(arn, {}).items()
            ]
        }

    # Tasks: the parts that need endpoints, instances and tags; the rest is in tasks.py

    def create_replication_task(self, request: dict[str, Any]) -> dict[str, Any]:
        source, target = self._endpoint(request["SourceEndpointArn"]), self._endpoint(request["TargetEndpointArn"])
        for endpoint, wanted in ((source, "source"), (target, "target")):
            if endpoint.type != wanted:
                raise invalid(f"{_engine_type(endpoint)} endpoint must be of type {wanted.upper()}")
        instance = self._instance(request["ReplicationInstanceArn"])
        _check_tags(request.get("Tags", []))
        task = self.tasks.create(request, source, target, instance)
        self._set_tags(task.arn, request.get("Tags", []))
        return {"ReplicationTask": task.described()}

    def _tested(self, instance: Instance, endpoint: Endpoint) -> bool:
        connection = self._connections.get((instance.arn, endpoint.arn))
        return connection is not None and connection.status == "successful"

    def _try(self, connection: Connection) -> None:
        endpoint = connection.endpoint
        failure = None
        try:
            psycopg.connect(endpoint.conninfo(), connect_timeout=5).close()
        except psycopg.Error as error:
            failure = (
                "Test Endpoint failed: Application-Status: 1020912, Application-Message: Failed to connect., "
                f"Application-Detailed-Message: {endpoint.without_password(error)}"
            )
            _log.warning("Connection test of endpoint %s failed: %s", endpoint.identifier, failure)
        with self._lock:
            connection.status, connection.failure = ("failed", failure) if failure else ("successful", None)
            self._save()

    def _endpoint(self, arn: str) -> Endpoint:
        if arn not in self._endpoints:
            raise not_found(f"Endpoint {arn} not found.")
        return self._endpoints[arn]

    def _instance(self, arn: str) -> Instance:
        if arn not in self._instances:
            raise not_found(f"Replication instance {arn} not found.")
        return self._instances[arn]

    def _refuse_unknown(self, arn: str) -> None:
        if not (arn in self._endpoints or arn in self._instances or self.tasks.has(arn)):
            raise not_found(f"Resource {arn} not found.")

    def _set_tags(self, arn: str, tags: list[Mapping[str, str]]) -> None:
        _check_tags(tags)
        merged = self._tags.get(arn, {}) | {tag["Key"]: tag.get("Value", "") for tag in tags}
        if len(merged) > _MOST_TAGS:
            raise invalid(f"A resource has at most {_MOST_TAGS} tags.")
        self._tags[arn] = merged


def _shown(value: Any) -> Any:
    """Return what DescribeEndpoints repeats of a member of the request: never a password."""
    return {name: part for name, part in value.items() if name != "Password"} if isinstance(value, dict) else value


def _engine_type(endpoint: Endpoint) -> str:
    """Return how the service names the type of an endpoint."""
    number = list(_ENGINES).index(endpoint.engine) + 1
    service = "AWS" if endpoint.engine.startswith("aurora") else "EXTERNAL"
    kind = endpoint.type.upper()
    return (
        f"ReplicationEngineType [id={number}, name={endpoint.engine}, cdcSupported=Y, endpointType={kind}, "
        f"serviceType={service}, externalName={endpoint.engine_title}, rvn=1]"
    )


def _check_tags(tags: list[Mapping[str, str]]) -> None:
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith(("aws:", "dms:")):
            raise invalid(f"Tag {key!r} is not valid: a key has 1 to 128 characters, a value at most 256.")


def _refuse_empty(found: list[Any], request: Mapping[str, Any], what: str) -> None:
    """Raise ApiError if nothing matches the filters: the service answers with a fault, not with an empty list."""
    if request.get("Filters") and not found:
        raise not_found(f"No {what} found matching provided filters.")
