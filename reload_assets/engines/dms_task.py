"""Describes what a one-time task of DMS loads, from where and into which table, or what it compares."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reload_assets.config.model import DmsConfig
from reload_assets.config.values import text
from reload_assets.dms.mappings import TableLoad, key_mappings, table_mappings, whole_mappings
from reload_assets.dms.patterns import transforms
from reload_assets.dms.settings import task_settings, validation_settings
from reload_assets.dms.tasks import TaskRequest, task_identifier, validation_identifier
from reload_assets.keys import filter_condition, filter_positions
from reload_assets.ledger.records import Key, Reload, staging_name
from reload_assets.staged_columns import lowered
from reload_assets.tables import ReloadTable


@dataclass(frozen=True)
class DmsEngine:
    """Describes loads from the source into the staging schema. DMS logs in to the target as ``load_role``.

    ``place`` is where the configuration has the settings, for messages.
    """

    settings: DmsConfig
    place: str
    staging_schema: str
    load_role: str | None

    def source_arn(self) -> str:
        """Return the ARN of the source endpoint. Raises ConfigError if its variable is missing."""
        return text(self.settings.source_endpoint_arn, f"{self.place}.source_endpoint_arn")

    def arns(self) -> tuple[str, str, str]:
        """Return the ARNs of source endpoint, target endpoint and replication instance. Raises ConfigError."""
        return (
            self.source_arn(),
            text(self.settings.target_endpoint_arn, f"{self.place}.target_endpoint_arn"),
            text(self.settings.replication_instance_arn, f"{self.place}.replication_instance_arn"),
        )

    def table_load(self, table: ReloadTable, staging_table: str) -> TableLoad:
        """Return the load of a table's rows into a table of the staging schema."""
        return TableLoad(
            source_schema=table.source_schema,
            source_table=table.source_table,
            window_column=table.window.source,
            staging_schema=self.staging_schema,
            staging_table=staging_table,
            ignored_columns=tuple(name for name in table.options.ignored_source_columns if transforms(name)),
            renamed_columns=tuple((c.source, c.staged) for c in table.columns if c.staged != lowered(c.source)),
        )

    def load_mappings(
        self, tables: Sequence[ReloadTable], reload_id: int, bounds: tuple[datetime, datetime]
    ) -> dict[str, Any]:
        """Return the mapping that loads a window of tables into the staging tables of a reload.

        ``bounds`` are wall-clock values of the source's time zone. Raises MappingError for a name that no rule of DMS
        can have.
        """
        loads = [self.table_load(table, staging_name(table, reload_id)) for table in tables]
        return table_mappings(loads, *bounds)

    def key_mappings(
        self, tables: Sequence[ReloadTable], reload_id: int, keys: Mapping[str, Sequence[Key]]
    ) -> dict[str, Any]:
        """Return the mapping that loads rows by key into the staging tables of a reload.

        A filter of DMS knows no tuples. So it is on the column of the key that has the most values among those wanted,
        and lets rows of other keys through. Raises MappingError for a value that no filter of DMS can express.
        """
        return key_mappings([self._filtered(table, reload_id, keys[table.name]) for table in tables])

    def _filtered(
        self, table: ReloadTable, reload_id: int, keys: Sequence[Key]
    ) -> tuple[TableLoad, str, list[dict[str, str]]]:
        values = [{key[position] for key in keys} for position, _ in enumerate(table.key)]
        position = max(filter_positions([column.target for column in table.key]), key=lambda one: len(values[one]))
        column = table.key[position]
        conditions = [filter_condition(column.target, value) for value in sorted(values[position])]
        return self.table_load(table, staging_name(table, reload_id)), column.source, conditions

    def task_settings(self) -> dict[str, Any]:
        """Return the settings of a task that loads."""
        tuning = self.settings.task
        return task_settings(
            commit_rate=tuning.commit_rate,
            max_sub_tasks=tuning.max_sub_tasks,
            lob_max_kb=tuning.lob_limit_kb,
        )

    def request(self, reload: Reload, mappings: Mapping[str, Any]) -> TaskRequest:
        """Return the request for a new task of a reload, with a name and tags that identify the reload.

        Raises ConfigError.
        """
        source_arn, target_arn, instance_arn = self.arns()
        return TaskRequest(
            identifier=task_identifier(reload.group_name, reload.reload_id, secrets.token_hex(4)),
            source_endpoint_arn=source_arn,
            target_endpoint_arn=target_arn,
            replication_instance_arn=instance_arn,
            table_mappings=mappings,
            settings=self.task_settings(),
            tags=reload.tags,
        )

    def validation_request(
        self, group: str, tables: Sequence[ReloadTable], control_schema: str, tags: Mapping[str, str]
    ) -> TaskRequest:
        """Return the request for a task that compares whole tables with production's.

        The tables are in one schema of production, because DMS renames a schema as a whole. Raises ConfigError, and
        MappingError for a name that no rule of DMS can have.
        """
        source_arn, target_arn, instance_arn = self.arns()
        return TaskRequest(
            identifier=validation_identifier(group, secrets.token_hex(4)),
            source_endpoint_arn=source_arn,
            target_endpoint_arn=target_arn,
            replication_instance_arn=instance_arn,
            table_mappings=whole_mappings([_compared(table) for table in tables]),
            settings=validation_settings(self.task_settings(), control_schema),
            tags=tags,
        )


def _compared(table: ReloadTable) -> TableLoad:
    """Return the table as if it were loaded into production itself, under production's names."""
    return TableLoad(
        source_schema=table.source_schema,
        source_table=table.source_table,
        window_column=table.window.source,
        staging_schema=table.production.schema,
        staging_table=table.production.name,
        ignored_columns=tuple(table.options.ignored_source_columns),
        renamed_columns=tuple((c.source, c.name) for c in table.columns if c.name != lowered(c.source)),
    )
