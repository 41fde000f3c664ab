"""The state of the stand-in, and the file that keeps it over a restart."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.records import Connection, Endpoint, Instance, TableRun, TableValidation
from reload_assets.local.dms.task import Task

_DATES = ("created", "first_started", "started", "ended")


@dataclass
class State:
    """Everything by ARN; connection tests by the ARNs of instance and endpoint."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    connections: dict[tuple[str, str], Connection] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "endpoints": [asdict(one) for one in self.endpoints.values()],
            "instances": [_plain(asdict(one)) for one in self.instances.values()],
            "connections": [
                {
                    "instance": one.instance.arn,
                    "endpoint": one.endpoint.arn,
                    "status": one.status,
                    "failure": one.failure,
                }
                for one in self.connections.values()
            ],
            "tags": self.tags,
            "tasks": [_task_as_json(one) for one in self.tasks.values()],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> State:
        """Return the state of a document. Raises KeyError, TypeError or ValueError if ``as_json`` did not make it."""
        endpoints = {one["arn"]: Endpoint(**one) for one in document["endpoints"]}
        instances = {one["arn"]: Instance(**_dated(one)) for one in document["instances"]}
        connections = {}
        for one in document["connections"]:
            connection = Connection(instances[one["instance"]], endpoints[one["endpoint"]])
            # A test that was cut off has no result.
            connection.status = "failed" if one["status"] == "testing" else one["status"]
            connection.failure = one["failure"]
            connections[one["instance"], one["endpoint"]] = connection
        tasks = {one["arn"]: _task_from_json(one, endpoints, instances) for one in document["tasks"]}
        return cls(endpoints, instances, connections, dict(document["tags"]), tasks)


class StateFile:
    """A file that only its owner may read, because it holds the logins of endpoints."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> State:
        """Return what was saved last.

        An empty state where there is no file. Raises ValueError for another kind of file.
        """
        if not self._path.exists():
            return State()
        try:
            return State.from_json(json.loads(self._path.read_text()))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self._path} is not a state of the DMS stand-in: {error!r}") from error

    def save(self, state: State) -> None:
        """Replace the file as a whole, so that a process that is killed meanwhile leaves the old file."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(state.as_json(), file)
        os.replace(fresh, self._path)


def _task_as_json(task: Task) -> dict[str, Any]:
    return _plain(
        {
            "arn": task.arn,
            "identifier": task.identifier,
            "source": task.source.arn,
            "target": task.target.arn,
            "instance": task.instance.arn,
            "migration_type": task.migration_type,
            "mappings": task.mappings,
            "settings": task.settings,
            "created": task.created,
            "status": task.status,
            "first_started": task.first_started,
            "started": task.started,
            "ended": task.ended,
            "stop_reason": task.stop_reason,
            "failure": task.failure,
            "tables": [_plain(asdict(run)) for run in list(task.tables.values())],
        }
    )


def _task_from_json(
    saved: Mapping[str, Any], endpoints: Mapping[str, Endpoint], instances: Mapping[str, Instance]
) -> Task:
    values = _dated(saved)
    runs = [TableRun(**_dated(one) | {"validation": TableValidation(**one["validation"])}) for one in values["tables"]]
    return Task(
        **values
        | {
            "source": endpoints[saved["source"]],
            "target": endpoints[saved["target"]],
            "instance": instances[saved["instance"]],
            "mapping": TableMapping(saved["mappings"]),
            "tables": {(run.schema, run.table): run for run in runs},
        }
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _dated(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in _DATES and value else value for name, value in values.items()
    }
