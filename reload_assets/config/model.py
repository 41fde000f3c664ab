"""The model of ``reload.yaml``. Each field says what it is for.

The file holds no secret. It names an environment variable (``{env: NAME}``) or an AWS Secrets Manager secret
(``{secret: NAME, key: KEY}``) in place of a password, which is looked up only when a connection is made.
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
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reload_assets.canonical.lost import Lost, each_word
from reload_assets.config.columns import Columns, each_once
from reload_assets.config.connections import SourceConnection, TargetConnection
from reload_assets.config.errors import UniqueKeyLoader, explain
from reload_assets.config.finders import FindersConfig
from reload_assets.config.first_window import read_first
from reload_assets.config.keys import KeysConfig
from reload_assets.config.notify import NotifyConfig
from reload_assets.config.table_names import TableName, located, readable, require_own_sources, require_own_targets
from reload_assets.config.values import MOST_ROWS, YEAR_SECONDS, Section, Text
from reload_assets.errors.config import ConfigUnreadable

DEFAULT_PATH = "reload.yaml"
PATH_VARIABLE = "RELOAD_CONFIG"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is not a time zone; write one such as UTC or Europe/Zurich") from None
    return name


class SourceConfig(Section):
    """The Oracle side."""

    schema_name: str = Field(
        alias="schema",
        description="The schema (owner) of the source tables that name none, spelled as Oracle has it: in upper case.",
    )
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="The time zone of the source's DATE and TIMESTAMP values, which carry none themselves."
    )
    connection: SourceConnection | None = Field(
        None, description="A read-only login to the primary, for counts, types and comparisons; may be left out."
    )

    @property
    def zone(self) -> ZoneInfo:
        """The source's zone."""
        return ZoneInfo(self.time_zone)


class TargetConfig(Section):
    """The PostgreSQL side."""

    connection: TargetConnection = Field(
        description="The login that owns the staging and admin schemas: at the server, not a pooler."
    )
    production_schema: str = Field("production", description="The schema of production tables that name none.")
    staging_schema: str = Field("staging", description="The schema in which each reload creates its staging tables.")
    load_role: str | None = Field(
        None,
        description="The role that DMS logs in as; it is granted what a load needs. Leave it out if DMS uses the login "
        "of target.connection.",
    )


class PollingConfig(Section):
    """How a DMS task is watched; all in seconds."""

    interval_seconds: float = Field(10, gt=0, le=YEAR_SECONDS, description="First pause between two polls of a task.")
    max_interval_seconds: float = Field(
        60, gt=0, le=YEAR_SECONDS, description="Longest pause between two polls; pauses grow up to it."
    )
    ready_timeout_seconds: float = Field(
        600, gt=0, le=YEAR_SECONDS, description="How long a new task may take to become ready."
    )
    load_timeout_seconds: float = Field(6 * 3600, gt=0, le=YEAR_SECONDS, description="How long a load may take.")
    remove_timeout_seconds: float = Field(
        900, gt=0, le=YEAR_SECONDS, description="How long stopping and deleting a task may take."
    )
    call_attempts: int = Field(8, ge=1, description="How many times a throttled or unanswered call is tried.")


class TaskConfig(Section):
    """The settings of a DMS task that may be tuned. The others are fixed, because a reload depends on them."""

    commit_rate: int = Field(10_000, ge=1, le=50_000, description="Rows that DMS commits at a time.")
    max_sub_tasks: int = Field(8, ge=1, le=49, description="Tables that DMS loads at the same time.")
    lob_limit_kb: int = Field(
        1024,
        ge=1,
        le=102_400,
        description="Largest LOB in KB. DMS cuts longer ones, so a reload fails when a LOB reaches this size.",
    )


class DmsConfig(Section):
    """AWS Database Migration Service. Credentials come from the usual AWS chain (environment, profile, role)."""

    region: Text = Field("us-east-1", description="AWS region.")
    endpoint_url: Text | None = Field(
        None, description="Address of the DMS API if it is not AWS's own, such as the local stand-in's."
    )
    replication_instance_arn: Text = Field(description="ARN of the replication instance that runs the loads.")
    source_endpoint_arn: Text = Field(description="ARN of the Oracle source endpoint.")
    target_endpoint_arn: Text = Field(description="ARN of the PostgreSQL target endpoint.")
    polling: PollingConfig = Field(default_factory=PollingConfig, description="How tasks are watched.")
    task: TaskConfig = Field(default_factory=TaskConfig, description="Tuning of the load tasks.")


class WindowsConfig(Section):
    """How time is cut into windows; each is a stretch of UTC instants, and a partition in Dagster."""

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
        le=YEAR_SECONDS // 60,
        description="Margin for late commits: each reload also loads this many minutes before its window.",
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


class CdcConfig(Section):
    """The continuous CDC task that feeds production. Without it a reload does not know CDC's position."""

    task_arn: Text = Field(description="ARN of the CDC task; a group may name its own.")
    control_schema: str = Field(
        "public",
        description="Target schema of DMS's tables awsdms_status (StatusTableEnabled) and awsdms_apply_exceptions.",
    )
    max_lag_seconds: float = Field(
        300, gt=0, le=YEAR_SECONDS, description="Longest lag behind the source at which a reload still begins."
    )
    when_behind: Literal["refuse", "wait"] = Field(
        "refuse",
        description="What a reload does, before its load, if the task does not run or lags more than max_lag_seconds.",
    )
    wait_seconds: float = Field(
        3600,
        gt=0,
        le=YEAR_SECONDS,
        description="Longest wait for CDC: before a load, before the merge, and for each correction.",
    )
    margin_seconds: float = Field(
        2,
        ge=0,
        le=YEAR_SECONDS,
        description="Added to every instant that CDC has to pass, because DMS reports only whole seconds.",
    )


class StagingConfig(Section):
    """How long staging tables are kept."""

    retention_days: float = Field(
        7, ge=0, le=36_525, description="Days after which the staging tables of a reload are dropped."
    )


class MergeConfig(Section):
    """How the merge behaves beside concurrent writers."""

    mode: Literal["atomic", "chunked"] = Field(
        "atomic",
        description="atomic: one transaction for all tables of a window. chunked: one transaction per chunk_rows, "
        "which limits how long CDC waits, but readers may see a window that is merged in part. A table with another "
        "unique index than the key's, or whose rows refer to each other, is merged in one transaction; `doctor` "
        "names it.",
    )
    chunk_rows: int = Field(
        20_000,
        ge=1,
        le=MOST_ROWS,
        description="Rows per transaction of a chunked merge, and of the corrections after it, in key order.",
    )
    lock_timeout_ms: int = Field(
        400,
        ge=1,
        lt=1000,
        description="Longest wait of the merge for a row lock. Below deadlock_timeout, so that in a deadlock it is the "
        "merge that yields.",
    )
    stall_limit_ms: int = Field(
        400,
        ge=1,
        lt=1000,
        description="Longest time that another session, such as CDC, waits for the merge; then the merge yields. Below "
        "deadlock_timeout, so that PostgreSQL never ends the other session in a deadlock.",
    )
    attempts: int = Field(
        10, ge=1, description="How many times a merge is tried that meets a lock, a deadlock or a conflict."
    )


class TableConfig(Section):
    """One table of a group. Fields that are left out are read from production's catalog."""

    source: str | None = Field(
        None,
        description="Source table, with its schema if that is not source.schema: INVOICES or BILLING.INVOICES; by "
        "default the table's name in upper case. A name that has a dot is written in double quotes.",
    )
    target: str | None = Field(
        None,
        description="Production table, which no other entry may name, with its schema if that is not "
        "target.production_schema: invoices or billing.invoices; by default the table's name.",
    )
    key: list[str] | None = Field(
        None, min_length=1, description="Key columns of production; by default its primary key."
    )
    window_column: str = Field(
        description="Production column whose value in the source decides in which window a row lies. An index should "
        "begin with it, in production and in the source; without one, every reload scans the whole table."
    )
    version_column: str | None = Field(
        None, description="Production column that orders a row's versions; by default the window column."
    )
    columns: Columns | None = Field(
        None,
        description="Source columns that have another name in production, as in {customer_name: CUST_NM}. Without a "
        "source connection, where names or order differ: a list of all, as in [id, customer_name: CUST_NM].",
    )
    ignored_source_columns: list[str] = Field(
        default_factory=list, description="Source columns that are not loaded, because production does not have them."
    )
    accept: dict[str, Annotated[tuple[Lost, ...], BeforeValidator(each_word)]] = Field(
        default_factory=dict,
        description="What production's types may lose of the source's values, by column of production: decimals, "
        "digits, time of day, date, fractions, time zone, trailing blanks or spelling, or a list of these.",
    )
    equal_version: Literal["repair", "skip"] = Field(
        "repair", description="What to do with a row that has the same version on both sides but other content."
    )
    null_version: Literal["report", "repair"] = Field(
        "report", description="What to do with a row that differs and has a NULL version: only count it, or repair it."
    )
    orphans: Literal["report", "delete", "soft_delete"] = Field(
        "report",
        description="What to do with a production row of the window that the source no longer has, if CDC has not "
        "deleted it: only count it, delete it, or mark it in soft_delete_column.",
    )
    soft_delete_column: str | None = Field(
        None, description="Boolean or timestamp column that only production has; orphans: soft_delete sets it."
    )
    description: str | None = Field(None, description="What the table holds, for the UI.")

    @property
    def version(self) -> str:
        """The column that orders a row's versions."""
        return self.version_column or self.window_column

    _names_are_readable = field_validator("source", "target")(readable)
    _columns_are_named_once = field_validator("columns")(each_once)

    @model_validator(mode="after")
    def _soft_deletes_have_a_column(self) -> TableConfig:
        if (self.orphans == "soft_delete") != (self.soft_delete_column is not None):
            raise ValueError("soft_delete_column goes with orphans: soft_delete; write both or neither")
        return self


class GroupConfig(Section):
    """Tables that are reloaded together: one DMS task and one merge transaction per reload."""

    description: str | None = Field(None, description="What the group is, for the UI.")
    owners: list[str] = Field(default_factory=list, description="Owners for the UI: e-mail addresses or team:NAME.")
    against_cdc: Literal["confirm", "fence"] = Field(
        "confirm",
        description="How a merge copes with CDC. confirm: it runs beside CDC, and corrections follow. fence: the CDC "
        "task is stopped while the merge runs, which is exact no matter what CDC does.",
    )
    cdc_task_arn: Text | None = Field(
        None, description="ARN of the group's CDC task, if it is not the one in cdc.task_arn."
    )
    tables: dict[str, TableConfig] = Field(
        min_length=1, description="The tables by name, perhaps with a schema; order does not matter."
    )

    @field_validator("tables")
    @classmethod
    def _names_are_readable(cls, tables: dict[str, TableConfig]) -> dict[str, TableConfig]:
        for name in tables:
            readable(name)
        return tables


_NAME = r"^[a-z][a-z0-9_]{0,39}$"


class ReloadConfig(Section):
    """The whole of ``reload.yaml``."""

    source: SourceConfig = Field(description="Where the rows come from.")
    target: TargetConfig = Field(description="Where the rows go.")
    dms: DmsConfig = Field(description="What loads them.")
    cdc: CdcConfig | None = Field(None, description="The continuous CDC task; leave the section out if there is none.")
    windows: WindowsConfig = Field(description="How time is cut.")
    staging: StagingConfig = Field(default_factory=StagingConfig, description="Staging tables.")
    merge: MergeConfig = Field(default_factory=MergeConfig, description="The merge into production.")
    notify: NotifyConfig = Field(
        default_factory=NotifyConfig, description="Where it is said what happened to reloads, requests and CDC tasks."
    )
    keys: KeysConfig = Field(default_factory=KeysConfig, description="Reloads of lists of keys.")
    finders: FindersConfig = Field(
        default_factory=FindersConfig, description="What notices wrong rows and asks for their reload."
    )
    groups: dict[Annotated[str, Field(pattern=_NAME)], GroupConfig] = Field(
        min_length=1, description="Table groups by name (lower case letters, digits, underscores)."
    )

    _file: str = PrivateAttr(DEFAULT_PATH)

    @property
    def file(self) -> str:
        """The name of the file that the configuration was read from, for messages."""
        return self._file

    @model_validator(mode="after")
    def _fences_have_a_task(self) -> ReloadConfig:
        for name, group in self.groups.items():
            if self.cdc is None and (group.against_cdc == "fence" or group.cdc_task_arn is not None):
                field = "against_cdc" if group.against_cdc == "fence" else "cdc_task_arn"
                raise ValueError(f"groups.{name}.{field}: needs the section cdc; write it")
        return self

    @model_validator(mode="after")
    def _drift_has_a_source(self) -> ReloadConfig:
        if self.finders.drift is not None and self.source.connection is None:
            raise ValueError("finders.drift: needs source.connection; write it, or leave the section out")
        return self

    @model_validator(mode="after")
    def _validation_has_a_schema(self) -> ReloadConfig:
        if self.cdc is None and self.finders.validation:
            raise ValueError("finders.validation: needs cdc.control_schema; write the section cdc")
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
    def _tables_are_named_once(self) -> ReloadConfig:
        each = [
            (group, name, f"groups.{group}.tables.{name}") for group, one in self.groups.items() for name in one.tables
        ]
        require_own_targets((place, self.target_of(group, name)) for group, name, place in each)
        require_own_sources((place, group, self.source_of(group, name)) for group, name, place in each)
        return self

    def source_of(self, group: str, name: str) -> TableName:
        """Return the source table of an entry."""
        own = self.groups[group].tables[name].source
        return located(own or name, self.source.schema_name, upper=own is None)

    def target_of(self, group: str, name: str) -> TableName:
        """Return the production table of an entry."""
        return located(self.groups[group].tables[name].target or name, self.target.production_schema)


def config_file(path: str | Path | None = None) -> Path:
    """Return ``path``, else the path in RELOAD_CONFIG, else ``reload.yaml`` in the current folder."""
    return Path(path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)


def load_config(path: str | Path | None = None) -> ReloadConfig:
    """Read ``reload.yaml`` from ``path``, else from the path in RELOAD_CONFIG, else from the current folder.

    Raises ConfigError, which names the file, the field, the value and the fix.
    """
    file = config_file(path)
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigUnreadable(str(file), f"{reason}; name the file in {PATH_VARIABLE} or fix it") from None
    return parse_config(written, str(file))


def parse_config(written: str, file: str = DEFAULT_PATH) -> ReloadConfig:
    """Return the configuration that a YAML text holds; errors name ``file``. Raises ConfigError."""
    try:
        document: Any = yaml.load(written, UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigUnreadable(f"{file}{place}", f"{error.problem or error.context}; fix the YAML there") from None
    except yaml.YAMLError as error:
        raise ConfigUnreadable(file, f"{error}; fix the YAML") from None
    except RecursionError:
        raise ConfigUnreadable(file, "has too many brackets within brackets; fix the YAML") from None
    if not isinstance(document, dict):
        raise ConfigUnreadable(file, "is empty or not a mapping; start from the reference file of the repository")
    try:
        config = ReloadConfig.model_validate(document)
    except ValidationError as error:
        raise explain(file, error, ReloadConfig) from None
    config._file = file
    return config
