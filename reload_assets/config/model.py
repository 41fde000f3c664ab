"""``reload.yaml``: what a user writes. Read with pydantic; each field says what it is for.

No secret is ever in the file: a password is named by an environment variable (``{env: NAME}``) or by an AWS Secrets
Manager secret (``{secret: NAME, key: KEY}``), and is looked up only when a connection is made.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reload_assets.config.errors import UniqueKeyLoader, explain
from reload_assets.config.first_window import read_first
from reload_assets.errors.config import ConfigUnreadable, ConfigVariableUnset

DEFAULT_PATH = "reload.yaml"
PATH_VARIABLE = "RELOAD_CONFIG"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class FromEnvironment(_Model):
    """A value that is read from an environment variable when it is needed."""

    env: str = Field(description="Name of the environment variable.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    def read(self, place: str) -> str:
        """Return the variable's value.

        ``place`` names the field in the error. Raises ConfigError where it is not set.
        """
        value = os.environ.get(self.env)
        if not value:
            raise ConfigVariableUnset(place, self.env)
        return value


class FromSecretsManager(_Model):
    """A value that is read from AWS Secrets Manager when it is needed."""

    secret: str = Field(description="Name or ARN of the secret.", min_length=1)
    key: str | None = Field(None, description="Key in the secret's JSON document; without it, the whole secret.")


def _no_plain_secret(value: object) -> object:
    if isinstance(value, str):
        # The value itself is not repeated: it may be the real password.
        raise ValueError("a secret is not written in this file; use {env: NAME} or {secret: NAME, key: KEY}")
    return value


Text = str | FromEnvironment
Number = int | FromEnvironment
Secret = Annotated[FromEnvironment | FromSecretsManager, BeforeValidator(_no_plain_secret)]


def text(value: Text | Number, place: str) -> str:
    """Return a field that is either written in the file or taken from the environment, as text."""
    return value.read(place) if isinstance(value, FromEnvironment) else str(value)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is not a time zone; write one such as UTC or Europe/Zurich") from None
    return name


class Connection(_Model):
    """How to reach one database."""

    host: Text = Field(description="Host name or address.")
    port: Number = Field(description="TCP port.")
    database: Text = Field(description="Database name (PostgreSQL) or service name (Oracle).")
    user: Text = Field(description="User to log in as.")
    password: Secret = Field(description="Where the password is: {env: NAME} or {secret: NAME, key: KEY}.")


class SourceConnection(Connection):
    """How to read the source. Without it, the checks that need the source say 'could not verify'."""

    dialect: Literal["oracle", "postgresql"] = Field(
        "oracle", description="oracle, or postgresql for a source that looks like Oracle (the local stand-in)."
    )


class SourceConfig(_Model):
    """The Oracle side."""

    schema_name: str = Field(alias="schema", description="The schema (owner) of the source tables, in upper case.")
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="The zone of the source's DATE and TIMESTAMP values, which carry none themselves."
    )
    connection: SourceConnection | None = Field(
        None, description="A read-only login of the primary for counts, types and comparisons; may be left out."
    )

    @property
    def zone(self) -> ZoneInfo:
        """The source's zone."""
        return ZoneInfo(self.time_zone)


class TargetConfig(_Model):
    """The PostgreSQL side."""

    connection: Connection = Field(description="The login that owns the staging and admin schemas.")
    production_schema: str = Field("production", description="The schema of the tables that are reloaded.")
    staging_schema: str = Field("staging", description="The schema in which each reload makes its staging tables.")
    load_role: str | None = Field(
        None, description="The role DMS logs in as, granted what a load needs; left out when it is the same login."
    )


class PollingConfig(_Model):
    """How a DMS task is watched; all in seconds."""

    interval_seconds: float = Field(10, gt=0, description="First pause between two looks at a task.")
    max_interval_seconds: float = Field(60, gt=0, description="Longest pause; the pause grows up to it.")
    ready_timeout_seconds: float = Field(600, gt=0, description="How long a new task may take to become ready.")
    load_timeout_seconds: float = Field(6 * 3600, gt=0, description="How long a load may take.")
    remove_timeout_seconds: float = Field(900, gt=0, description="How long stopping and deleting a task may take.")
    call_attempts: int = Field(8, ge=1, description="How often a throttled or unanswered call is tried.")


class TaskConfig(_Model):
    """What of a DMS task's settings may be tuned; the rest is fixed, because a reload depends on it."""

    commit_rate: int = Field(10_000, ge=1, le=50_000, description="Rows DMS commits at a time.")
    max_sub_tasks: int = Field(8, ge=1, le=49, description="Tables DMS loads at the same time.")
    lob_limit_kb: int = Field(
        1024, ge=1, le=102_400, description="Largest LOB in KB; a reload fails when one reaches it, as DMS cuts it."
    )


class DmsConfig(_Model):
    """AWS Database Migration Service. Credentials come from the usual AWS chain (environment, profile, role)."""

    region: Text = Field("us-east-1", description="AWS region.")
    endpoint_url: Text | None = Field(None, description="Another address of the DMS API, such as the local stand-in.")
    replication_instance_arn: Text = Field(description="ARN of the replication instance that runs the loads.")
    source_endpoint_arn: Text = Field(description="ARN of the Oracle source endpoint.")
    target_endpoint_arn: Text = Field(description="ARN of the PostgreSQL target endpoint.")
    polling: PollingConfig = Field(default_factory=PollingConfig, description="How tasks are watched.")
    task: TaskConfig = Field(default_factory=TaskConfig, description="Tuning of the load tasks.")


class WindowsConfig(_Model):
    """How time is cut into partitions. Windows are stretches of UTC instants."""

    cadence: str = Field("daily", description="hourly, daily, weekly, monthly, or a cron expression, in time_zone.")
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC",
        description="The zone whose hours, days, weeks and months the cadence cuts, and in which the nightly schedule "
        "runs. Changing it changes which window each partition key means.",
    )
    first: datetime = Field(
        description="Start of the first window: a day such as 2025-01-01, or a time such as 2025-01-01T06:00, in "
        "time_zone."
    )
    overlap_minutes: int = Field(
        0,
        ge=0,
        description="Margin for late commits: each reload also covers this many minutes before its window.",
    )

    @field_validator("first", mode="before")
    @classmethod
    def _in_time_zone(cls, value: object, info: ValidationInfo) -> datetime:
        return read_first(value, ZoneInfo(info.data.get("time_zone", "UTC")))

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the cadence."""
        return ZoneInfo(self.time_zone)

    @property
    def overlap(self) -> timedelta:
        """The margin for late commits."""
        return timedelta(minutes=self.overlap_minutes)


class CdcConfig(_Model):
    """The continuous CDC task that feeds production. Without it a reload cannot tell how far CDC is."""

    task_arn: Text = Field(description="ARN of the CDC task; a group may name another one.")
    control_schema: str = Field(
        "public",
        description="Target schema of DMS's tables awsdms_status (StatusTableEnabled) and awsdms_apply_exceptions.",
    )
    max_lag_seconds: float = Field(300, gt=0, description="Longest lag behind the source with which a reload begins.")
    when_behind: Literal["refuse", "wait"] = Field(
        "refuse", description="What a reload does before its load while the task does not run or lags more than that."
    )
    wait_seconds: float = Field(
        3600, gt=0, description="Longest wait for CDC: before a load, before the merge, and for each correction."
    )
    margin_seconds: float = Field(
        2, ge=0, description="Added to every instant that CDC has to pass, because DMS reports whole seconds."
    )


class StagingConfig(_Model):
    """What becomes of staging tables."""

    retention_days: float = Field(7, ge=0, description="Days after which the staging tables of a reload are dropped.")


class MergeConfig(_Model):
    """How the merge meets concurrent writers."""

    mode: Literal["atomic", "chunked"] = Field(
        "atomic",
        description="atomic: one transaction for all tables of a window. chunked: a transaction per chunk_rows, which "
        "bounds how long CDC can wait; readers may see a window that is merged in part.",
    )
    chunk_rows: int = Field(
        20_000,
        ge=1,
        description="Rows that one transaction of a chunked merge or of the corrections after it covers, in key order.",
    )
    lock_timeout_ms: int = Field(
        400, ge=1, lt=1000, description="Longest wait for a row lock; below deadlock_timeout, so that the merge yields."
    )
    stall_limit_ms: int = Field(
        400,
        ge=1,
        lt=1000,
        description="Longest time that another session, such as CDC, waits for the merge; then the merge yields. Below "
        "deadlock_timeout, so that the other one is never taken for the one to give way in a deadlock.",
    )
    attempts: int = Field(10, ge=1, description="How often a merge that met a lock, deadlock or conflict is tried.")


class TableConfig(_Model):
    """One table of a group. What is left out comes from production's catalog."""

    source: str | None = Field(None, description="Source table; by default the table's name in upper case.")
    target: str | None = Field(None, description="Production table, of no other entry; by default the table's name.")
    key: list[str] | None = Field(
        None, min_length=1, description="Key columns of production; by default its primary key."
    )
    window_column: str = Field(
        description="Production column whose source values decide a row's window; an index must begin with it, in "
        "production and in the source, or every reload scans the whole table."
    )
    version_column: str | None = Field(
        None, description="Production column that orders a row's versions; by default the window column."
    )
    columns: list[str] | None = Field(
        None,
        min_length=1,
        description="Production columns in the source's order; needed only without a source connection, when "
        "production has columns of its own or in another order.",
    )
    ignored_source_columns: list[str] = Field(
        default_factory=list, description="Source columns that production does not have and does not need."
    )
    equal_version: Literal["repair", "skip"] = Field(
        "repair", description="What to do with a row of the same version but other content."
    )
    null_version: Literal["report", "repair"] = Field(
        "report", description="What to do with a row that differs while a version is NULL: only count it, or repair it."
    )
    orphans: Literal["report", "delete", "soft_delete"] = Field(
        "report",
        description="What to do with a production row of the window that the source no longer has, once CDC has had "
        "its chance to delete it: only count it, delete it, or mark it in soft_delete_column.",
    )
    soft_delete_column: str | None = Field(
        None, description="Production's own boolean or timestamp column that marks a row as deleted (soft_delete)."
    )
    description: str | None = Field(None, description="What the table holds, for the UI.")

    @property
    def version(self) -> str:
        """The column that orders a row's versions."""
        return self.version_column or self.window_column

    @model_validator(mode="after")
    def _soft_deletes_have_a_column(self) -> TableConfig:
        if (self.orphans == "soft_delete") != (self.soft_delete_column is not None):
            raise ValueError("soft_delete_column goes with orphans: soft_delete; write both or neither")
        return self


class GroupConfig(_Model):
    """Tables that are reloaded together: one DMS task and one merge transaction per reload."""

    description: str | None = Field(None, description="What the group is, for the UI.")
    owners: list[str] = Field(default_factory=list, description="Owners for the UI: e-mail addresses or team:NAME.")
    against_cdc: Literal["confirm", "fence"] = Field(
        "confirm",
        description="How a merge meets CDC: beside it, with corrections afterwards; or with the CDC task stopped for "
        "as long as the merge takes, which is exact whatever CDC does.",
    )
    cdc_task_arn: Text | None = Field(None, description="ARN of the group's CDC task where it is another than cdc's.")
    tables: dict[str, TableConfig] = Field(min_length=1, description="The tables by name; order does not matter.")


_NAME = r"^[a-z][a-z0-9_]{0,39}$"


class ReloadConfig(_Model):
    """The whole of ``reload.yaml``."""

    source: SourceConfig = Field(description="Where the rows come from.")
    target: TargetConfig = Field(description="Where the rows go.")
    dms: DmsConfig = Field(description="What loads them.")
    cdc: CdcConfig | None = Field(None, description="The continuous CDC task; may be left out where there is none.")
    windows: WindowsConfig = Field(description="How time is cut.")
    staging: StagingConfig = Field(default_factory=StagingConfig, description="Staging tables.")
    merge: MergeConfig = Field(default_factory=MergeConfig, description="The merge into production.")
    groups: dict[Annotated[str, Field(pattern=_NAME)], GroupConfig] = Field(
        min_length=1, description="Table groups by name (lower case letters, digits, underscores)."
    )

    _file: str = PrivateAttr(DEFAULT_PATH)

    @property
    def file(self) -> str:
        """The name of the file this was read from, for messages."""
        return self._file

    @model_validator(mode="after")
    def _fences_have_a_task(self) -> ReloadConfig:
        for name, group in self.groups.items():
            if self.cdc is None and (group.against_cdc == "fence" or group.cdc_task_arn is not None):
                field = "against_cdc" if group.against_cdc == "fence" else "cdc_task_arn"
                raise ValueError(f"groups.{name}.{field}: needs the section cdc; write it")
        return self

    @model_validator(mode="after")
    def _tables_are_unique(self) -> ReloadConfig:
        seen: dict[str, str] = {}
        for group_name, group in self.groups.items():
            for name in group.tables:
                if name in seen:
                    raise ValueError(
                        f"groups.{group_name}.tables.{name}: the table is in group {seen[name]!r} too; keep it in one"
                    )
                seen[name] = group_name
        return self

    @model_validator(mode="after")
    def _targets_are_unique(self) -> ReloadConfig:
        """What one entry loads is all that its production table is to have; the rows of another would be orphans."""
        seen: dict[str, str] = {}
        for group_name, group in self.groups.items():
            for name, table in group.tables.items():
                place, target = f"groups.{group_name}.tables.{name}", table.target or name
                # Staging tables and the columns that DMS writes have their names in lower case.
                other = seen.setdefault(target.casefold(), place)
                if other != place:
                    raise ValueError(
                        f"{place}.target: the production table {target!r} is that of {other} too, and each would take "
                        "the other's rows for wrong; give each source table a production table of its own, and unite "
                        "those by a view"
                    )
        return self


def load_config(path: str | Path | None = None) -> ReloadConfig:
    """Read ``reload.yaml``: the path given, the one in RELOAD_CONFIG, or the one in the current folder.

    Raises ConfigError naming the file, the field, the value and the fix.
    """
    file = Path(path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigUnreadable(str(file), f"{reason}; name the file in {PATH_VARIABLE} or fix it") from None
    return parse_config(written, str(file))


def parse_config(written: str, file: str = DEFAULT_PATH) -> ReloadConfig:
    """Return the configuration in a YAML text; ``file`` names it in errors. Raises ConfigError."""
    try:
        document: Any = yaml.load(written, UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigUnreadable(f"{file}{place}", f"{error.problem or error.context}; fix the YAML there") from None
    except yaml.YAMLError as error:
        raise ConfigUnreadable(file, f"{error}; fix the YAML") from None
    if not isinstance(document, dict):
        raise ConfigUnreadable(file, "is empty or not a mapping; start from the reference file of the repository")
    try:
        config = ReloadConfig.model_validate(document)
    except ValidationError as error:
        raise explain(file, error, ReloadConfig) from None
    config._file = file
    return config
