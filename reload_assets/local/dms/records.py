"""Endpoints, replication instances and table loads: what the control plane and the engines both hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from psycopg.conninfo import make_conninfo

# The key of the account, with which the service encrypts what an endpoint keeps.
KMS_KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
_CHANGES = ("insert", "update", "delete", "truncate")


@dataclass(frozen=True)
class Endpoint:
    """A source or target database. ``login`` holds the password, which is never described."""

    arn: str
    identifier: str
    type: str
    engine: str
    engine_title: str
    login: dict[str, Any]
    echoed: dict[str, Any]
    settings: dict[str, Any]

    def __repr__(self) -> str:
        return f"Endpoint({self.identifier})"

    def conninfo(self) -> str:
        """For psycopg; an Oracle endpoint is a PostgreSQL database too."""
        return make_conninfo(
            host=self.login["ServerName"],
            port=self.login["Port"],
            dbname=self.login["DatabaseName"],
            user=self.login["Username"],
            password=self.login["Password"],
            application_name=f"dms-{self.type}",
        )

    def setting(self, name: str) -> Any:
        """Return an endpoint setting, or the extra connection attribute of that name; None where there is neither."""
        if name in self.settings:
            return self.settings[name]
        pairs = (part.partition("=") for part in self.echoed.get("ExtraConnectionAttributes", "").split(";"))
        return next((value.strip() for key, _, value in pairs if key.strip().lower() == name.lower()), None)

    def without_password(self, error: Exception) -> str:
        """Return the error in one line that cannot hold the password."""
        return " ".join(str(error).replace(self.login["Password"], "****").split())

    def described(self) -> dict[str, Any]:
        return {
            "EndpointArn": self.arn,
            "EndpointIdentifier": self.identifier,
            "EndpointType": self.type.upper(),
            "EngineName": self.engine,
            "EngineDisplayName": self.engine_title,
            "Status": "active",
            "SslMode": "none",
            "KmsKeyId": KMS_KEY,
            **self.echoed,
        }


@dataclass(frozen=True)
class Instance:
    """A replication instance; nothing runs on it, it is only named by tasks and connection tests."""

    arn: str
    identifier: str
    instance_class: str
    storage: int
    engine_version: str
    created: datetime

    def described(self) -> dict[str, Any]:
        return {
            "ReplicationInstanceArn": self.arn,
            "ReplicationInstanceIdentifier": self.identifier,
            "ReplicationInstanceClass": self.instance_class,
            "ReplicationInstanceStatus": "available",
            "AllocatedStorage": self.storage,
            "EngineVersion": self.engine_version,
            "InstanceCreateTime": self.created,
            "MultiAZ": False,
            "PubliclyAccessible": False,
        }


@dataclass
class Connection:
    """The latest connection test of an endpoint from an instance."""

    instance: Instance
    endpoint: Endpoint
    status: str = "testing"
    failure: str | None = None

    def described(self) -> dict[str, Any]:
        return {
            "ReplicationInstanceArn": self.instance.arn,
            "ReplicationInstanceIdentifier": self.instance.identifier,
            "EndpointArn": self.endpoint.arn,
            "EndpointIdentifier": self.endpoint.identifier,
            "Status": self.status,
            "LastFailureMessage": self.failure,
        }


@dataclass
class TableValidation:
    """How far the validation of one table is, in the words and numbers of the table statistics."""

    state: str = "Not enabled"
    pending: int = 0
    failed: int = 0
    suspended: int = 0
    details: str = ""

    def begin(self, state: str) -> None:
        """Forget what was found so far; ``state`` says what is awaited or done now."""
        self.state, self.details = state, ""
        self.pending = self.failed = self.suspended = 0

    def give_up(self, state: str, details: str = "") -> None:
        """The table cannot be validated."""
        self.begin(state)
        self.details = details

    def judge(self) -> None:
        """Derive the state from the numbers. Which state goes first if several fit is not on record."""
        states = {"Pending records": self.pending, "Suspended records": self.suspended}
        states["Mismatched records"] = self.failed
        self.state = next((state for state, count in states.items() if count), "Validated")

    @property
    def is_open(self) -> bool:
        """Whether rows are still to be compared."""
        return self.state.startswith("Pend") or self.state == "Preparing table"


@dataclass
class TableRun:
    """How far one table is. ``rows`` are committed rows; ``expected`` is the planner's guess, for the progress;
    ``changes`` counts the inserts, updates and deletes of ongoing replication; ``reloaded`` says that ReloadTables was
    called for the table.
    """

    schema: str
    table: str
    state: str = "Before load"
    rows: int = 0
    error_rows: int = 0
    expected: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    changes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_CHANGES, 0))
    reloaded: bool = False
    validation: TableValidation = field(default_factory=TableValidation)

    def begin(self) -> None:
        self.state = "Table is being reloaded" if self.reloaded else "Full load"
        self.rows, self.started = 0, datetime.now(timezone.utc)

    def end(self, state: str) -> None:
        self.state, self.ended = state, datetime.now(timezone.utc)

    @property
    def progress(self) -> float:
        """0 to 1; a table that failed counts as done, as it does in the service's percentage."""
        if self.state in ("Table completed", "Table error"):
            return 1.0
        return min(0.99, self.rows / self.expected) if self.expected else 0.0

    def described(self) -> dict[str, Any]:
        return {
            "SchemaName": self.schema,
            "TableName": self.table,
            "TableState": self.state,
            "Inserts": self.changes["insert"],
            "Updates": self.changes["update"],
            "Deletes": self.changes["delete"],
            "Ddls": self.changes["truncate"],
            "AppliedInserts": self.changes["insert"],
            "AppliedUpdates": self.changes["update"],
            "AppliedDeletes": self.changes["delete"],
            "AppliedDdls": self.changes["truncate"],
            "FullLoadRows": self.rows,
            "FullLoadErrorRows": self.error_rows,
            "FullLoadCondtnlChkFailedRows": 0,
            "FullLoadStartTime": self.started,
            "FullLoadEndTime": self.ended,
            "FullLoadReloaded": self.reloaded,
            "LastUpdateTime": self.ended or self.started,
            "ValidationPendingRecords": self.validation.pending,
            "ValidationFailedRecords": self.validation.failed,
            "ValidationSuspendedRecords": self.validation.suspended,
            "ValidationState": self.validation.state,
            "ValidationStateDetails": self.validation.details,
            "ResyncState": "Not enabled",
            "ResyncRowsAttempted": 0,
            "ResyncRowsSucceeded": 0,
            "ResyncRowsFailed": 0,
            "ResyncProgress": 0.0,
        }
