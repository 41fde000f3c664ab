"""One replication task, as the control plane keeps it and the API shows it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from reload_assets.local.dms.engine import Job, Measures
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.records import Endpoint, Instance, TableRun


@dataclass
class Task:
    """One replication task; changed only under the control plane's lock."""

    arn: str
    identifier: str
    source: Endpoint
    target: Endpoint
    instance: Instance
    migration_type: str
    mappings: str
    mapping: TableMapping
    settings: dict[str, Any]
    created: datetime
    status: str = "creating"
    since: float = field(default_factory=time.monotonic)
    first_started: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    stop_reason: str | None = None
    failure: str | None = None
    tables: dict[tuple[str, str], TableRun] = field(default_factory=dict)
    measures: Measures = field(default_factory=Measures)

    def enter(self, status: str) -> None:
        self.status, self.since = status, time.monotonic()

    def job(self, start_type: str) -> Job:
        return Job(
            task=self.identifier,
            resource=self.arn.rsplit(":", 1)[1],
            server=self.instance.identifier,
            version=self.instance.engine_version,
            created=self.created,
            source=self.source,
            target=self.target,
            mapping=self.mapping,
            settings=self.settings,
            start_type=start_type,
            measures=self.measures,
        )

    def described(self, *, with_settings: bool = True) -> dict[str, Any]:
        """As the API shows it; WithoutSettings leaves out the settings and the mappings."""
        answer: dict[str, Any] = {
            "ReplicationTaskArn": self.arn,
            "ReplicationTaskIdentifier": self.identifier,
            "SourceEndpointArn": self.source.arn,
            "TargetEndpointArn": self.target.arn,
            "ReplicationInstanceArn": self.instance.arn,
            "MigrationType": self.migration_type,
            "Status": self.status,
            "StopReason": self.stop_reason,
            "LastFailureMessage": self.failure,
            "ReplicationTaskCreationDate": self.created,
            "ReplicationTaskStartDate": self.started,
        }
        if with_settings:
            answer["TableMappings"] = self.mappings
            answer["ReplicationTaskSettings"] = json.dumps(self.settings)
        if self.migration_type != "full-load" or self.started:
            # Empty until the service has a checkpoint, which this stand-in keeps on the target.
            answer |= {"RecoveryCheckpoint": "", "CdcStartPosition": ""}
        if self.status != "creating":
            answer["ReplicationTaskStats"] = self._stats()
        return answer

    def _stats(self) -> dict[str, Any]:
        runs = list(self.tables.values())
        states = [run.state for run in runs]
        until = self.ended or datetime.now(timezone.utc)
        return {
            "FullLoadProgressPercent": int(100 * sum(run.progress for run in runs) / len(runs)) if runs else 0,
            "ElapsedTimeMillis": int((until - self.started).total_seconds() * 1000) if self.started else 0,
            "TablesLoaded": states.count("Table completed"),
            "TablesLoading": states.count("Full load"),
            "TablesQueued": states.count("Before load"),
            "TablesErrored": states.count("Table error"),
            "FreshStartDate": self.first_started,
            "StartDate": self.started,
            "StopDate": self.ended,
            "FullLoadStartDate": min((run.started for run in runs if run.started), default=None),
            "FullLoadFinishDate": self.ended if runs and set(states) == {"Table completed"} else None,
        }
