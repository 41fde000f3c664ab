"""Checks that endpoints can serve a load: right type and engine, and reachable from the replication instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reload_assets.dms.calls import WRONG_STATE, DmsCalls, clean
from reload_assets.dms.polling import PollLimits
from reload_assets.errors import DmsRefusal
from reload_assets.errors.dms import DmsResourceUnknown, EndpointUnconnected, EndpointUnsuitable, InstanceUnavailable
from reload_assets.retries import NotYet, wait_for

SOURCE_ENGINES = ("oracle",)
TARGET_ENGINES = ("postgres", "aurora-postgresql", "aurora-postgresql-serverless")
DEFAULT_NUMBER_SCALE = 10
"""DMS's own NumberDatatypeScale: the decimals to which it rounds a NUMBER without precision."""


class EndpointCheck:
    """Checks endpoints with DMS's API. The first problem is raised as a DmsError."""

    def __init__(self, calls: DmsCalls, limits: PollLimits) -> None:
        self._calls = calls
        self._limits = limits

    def run(self, source_arn: str, target_arn: str, instance_arn: str) -> None:
        """Check both endpoints and the instance. If a connection test is missing or has failed, run it and wait for it.

        DMS starts no task over a connection that was never tested.
        """
        source = self._endpoint(source_arn, "source", SOURCE_ENGINES)
        target = self._endpoint(target_arn, "target", TARGET_ENGINES)
        instance = self.instance(instance_arn)
        for endpoint in (source, target):
            self.connection(endpoint, instance)

    def source(self, arn: str) -> Mapping[str, Any]:
        """Return the source endpoint as DMS describes it."""
        return self._endpoint(arn, "source", SOURCE_ENGINES)

    def target(self, arn: str) -> Mapping[str, Any]:
        """Return the target endpoint as DMS describes it."""
        return self._endpoint(arn, "target", TARGET_ENGINES)

    def instance(self, arn: str) -> Mapping[str, Any]:
        """Return the replication instance as DMS describes it."""
        found = self._calls.found(
            "describe_replication_instances",
            "ReplicationInstances",
            "looking up the replication instance",
            Filters=_filters("replication-instance-arn", arn),
        )
        if not found:
            raise DmsResourceUnknown("replication instance", arn)
        status = found[0].get("ReplicationInstanceStatus")
        if status != "available":
            raise InstanceUnavailable(found[0].get("ReplicationInstanceIdentifier", arn), str(status))
        return found[0]

    def connection(self, endpoint: Mapping[str, Any], instance: Mapping[str, Any]) -> None:
        """Require that an endpoint is connected to the instance. Runs a test that is missing or has failed."""
        status, _ = self._tested(endpoint, instance)
        if status == "successful":
            return
        if status != "testing":
            self._test(endpoint, instance)
        between = (instance["ReplicationInstanceIdentifier"], endpoint["EndpointIdentifier"])

        def look() -> None:
            status, failure = self._tested(endpoint, instance)
            if status == "testing":
                raise NotYet(
                    lambda seconds: EndpointUnconnected(*between, f"is still being tested after {seconds:.0f} s")
                )
            if status != "successful":
                raise EndpointUnconnected(*between, f"could not be made: {failure or status}")

        wait_for(look, self._limits.watching, self._limits.ready_timeout)

    def _endpoint(self, arn: str, kind: str, engines: tuple[str, ...]) -> dict[str, Any]:
        doing = f"looking up the {kind} endpoint"
        found = self._calls.found("describe_endpoints", "Endpoints", doing, Filters=_filters("endpoint-arn", arn))
        if not found:
            raise DmsResourceUnknown(f"{kind} endpoint", arn)
        endpoint = found[0]
        name = endpoint.get("EndpointIdentifier", arn)
        is_kind = str(endpoint.get("EndpointType", "")).lower()
        if is_kind != kind:
            raise EndpointUnsuitable(
                f"The DMS endpoint {name} is of type {is_kind}, but it is configured as the {kind}; "
                "give an endpoint of the other type, or swap the two ARNs."
            )
        engine = endpoint.get("EngineName")
        if engine not in engines:
            raise EndpointUnsuitable(
                f"The DMS {kind} endpoint {name} has the engine {engine}; a reload needs {' or '.join(engines)}."
            )
        return endpoint

    def _test(self, endpoint: Mapping[str, Any], instance: Mapping[str, Any]) -> None:
        """Start the test, unless another process has just done so: DMS refuses a second one beside it."""
        try:
            self._calls.call(
                "test_connection",
                f"testing the connection to the endpoint {endpoint['EndpointIdentifier']}",
                ReplicationInstanceArn=instance["ReplicationInstanceArn"],
                EndpointArn=endpoint["EndpointArn"],
            )
        except DmsRefusal as refusal:
            if refusal.fault not in WRONG_STATE:
                raise

    def _tested(self, endpoint: Mapping[str, Any], instance: Mapping[str, Any]) -> tuple[str, str]:
        """Return the status of the connection test and its failure message; ``untested`` if there was no test."""
        found = self._calls.found(
            "describe_connections",
            "Connections",
            f"looking up the connection to the endpoint {endpoint['EndpointIdentifier']}",
            Filters=_filters("endpoint-arn", endpoint["EndpointArn"])
            + _filters("replication-instance-arn", instance["ReplicationInstanceArn"]),
        )
        if not found:
            return "untested", ""
        return found[0].get("Status", ""), clean(found[0].get("LastFailureMessage") or "")


def _filters(name: str, value: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": [value]}]


def extra_attributes(endpoint: Mapping[str, Any]) -> dict[str, str]:
    """Return the ``ExtraConnectionAttributes`` of an endpoint by name, in lower case because DMS ignores the case."""
    pairs = (part.partition("=") for part in str(endpoint.get("ExtraConnectionAttributes") or "").split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def number_scale(endpoint: Mapping[str, Any]) -> int:
    """Return the NumberDatatypeScale of an Oracle endpoint: decimals of NUMBER without precision; -1 float, -2 text."""
    found = _oracle_setting(endpoint, "NumberDatatypeScale")
    return DEFAULT_NUMBER_SCALE if found in (None, "") else int(str(found))


def trims_char(endpoint: Mapping[str, Any]) -> bool:
    """Return whether an Oracle endpoint trims the padding of CHAR and NCHAR (TrimSpaceInChar)."""
    found = _oracle_setting(endpoint, "TrimSpaceInChar")
    return str(found).lower() not in ("false", "0", "n", "no")


def _oracle_setting(endpoint: Mapping[str, Any], name: str) -> Any:
    settings = endpoint.get("OracleSettings")
    nested = settings.get(name) if isinstance(settings, Mapping) else None
    return extra_attributes(endpoint).get(name.lower()) if nested is None else nested
