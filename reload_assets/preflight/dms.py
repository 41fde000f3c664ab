"""Looks at DMS's endpoints and at the replication instance that runs the loads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.preflight.finding import Finding, found

# Of which version on the replication engine knows a version of PostgreSQL as a target, by the user guide ("Targets for
# AWS DMS"; for 15 the release notes).
_ENGINES: Mapping[int, tuple[int, ...]] = {15: (3, 5, 1), 16: (3, 5, 3), 17: (3, 5, 4), 18: (3, 5, 4)}


def look_at_instance(instance: Mapping[str, Any], postgres: int | None) -> Iterator[Finding]:
    """Yield whether the engine knows the target's major version, as far as that is known."""
    name, version = instance.get("ReplicationInstanceIdentifier"), str(instance.get("EngineVersion") or "")
    needed = _ENGINES.get(postgres or 0)
    if needed is not None and version and _numbers(version) < needed:
        yield found(
            "engine-version-old",
            "dms",
            f"DMS: the replication instance {name} runs the engine {version}, and DMS writes to PostgreSQL {postgres} "
            f"only from {'.'.join(map(str, needed))} on",
            "upgrade the instance",
        )
        return
    yield found("instance-ready", "dms", f"DMS: the replication instance {name} is available; its engine is {version}")


def endpoint_ready(kind: str, endpoint: Mapping[str, Any]) -> Finding:
    """Return what is known of an endpoint whose connection test succeeded."""
    name, mode = endpoint.get("EndpointIdentifier"), endpoint.get("SslMode", "none")
    return found(
        "endpoint-ready",
        "dms",
        f"DMS: the {kind} endpoint {name} ({endpoint.get('EngineName')}, SslMode {mode}) passed its connection test",
    )


def look_at_database(endpoint: Mapping[str, Any], database: str, place: str) -> Iterator[Finding]:
    """Yield a problem if a target endpoint leads to another database than ``target.connection``."""
    name = endpoint.get("DatabaseName")
    if name and name != database:
        yield found(
            "endpoint-database",
            place,
            f"DMS: the target endpoint {endpoint.get('EndpointIdentifier')} leads to the database {name!r}, and "
            f"target.connection to {database!r}",
            "name the same database in both",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
