"""Finds what speaks against reloading tables beside a CDC task, from DMS's description of the task. Makes no calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reload_assets.dms.endpoints import SOURCE_ENGINES, TARGET_ENGINES, extra_attributes, number_scale, trims_char
from reload_assets.dms.replicated import Replicated, replicated
from reload_assets.dms.verdict import name_of
from reload_assets.errors import MappingError

Severity = Literal["refuse", "fence", "warn"]

_CARRIED_STATE = "Table completed"
_DEFAULT_LOB_KB = 32
_REPLICA = re.compile(r"session_replication_role\s*(?:=|\bto\b)\s*'?replica\b", re.IGNORECASE)
# DMS's own defaults, for settings that the task does not have.
_APPLY_POLICIES = {
    "ApplyErrorInsertPolicy": "LOG_ERROR",
    "ApplyErrorUpdatePolicy": "LOG_ERROR",
    "ApplyErrorDeletePolicy": "IGNORE_RECORD",
}


@dataclass(frozen=True)
class CarriedColumn:
    """A column that a reload loads: its names on both sides, and whether it is a LOB, as far as known."""

    source: str
    target: str
    is_lob: bool = False


@dataclass(frozen=True)
class CarriedTable:
    """A table whose changes the task has to carry, with its names on both sides."""

    source_schema: str
    source_table: str
    target_schema: str
    target_table: str
    columns: tuple[CarriedColumn, ...]
    mark: str | None = None
    """Production's column that marks rows as deleted, where reloads set it."""

    @property
    def source(self) -> str:
        """The source table's name with its schema."""
        return f"{self.source_schema}.{self.source_table}"

    @property
    def target(self) -> str:
        """The production table's name with its schema."""
        return f"{self.target_schema}.{self.target_table}"


@dataclass(frozen=True)
class TaskDescription:
    """What DMS says about a task: its description with mapping and settings, its endpoints, its table statistics.

    ``load_source`` is the source endpoint that reloads use, which may be the task's own or another one.
    """

    task: Mapping[str, Any]
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    load_source: Mapping[str, Any]
    statistics: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class TaskFinding:
    """A reason against reloading beside the task.

    ``refuse`` forbids any reload, ``fence`` allows one only if CDC is stopped for the merge, ``warn`` allows it.
    ``code`` is stable, one of ``codes.TASK_FINDINGS``; ``message`` is a sentence with the fix.
    """

    severity: Severity
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


def examine(described: TaskDescription, tables: Sequence[CarriedTable], lob_limit_kb: int) -> list[TaskFinding]:
    """Find what prevents the task from carrying these tables whole, or makes a reload beside it unsafe.

    ``lob_limit_kb`` is the longest LOB that a reload loads, in KB. Returns an empty list if the task carries the tables
    as needed.
    """
    return list(_Examination(described, lob_limit_kb).run(tables))


class _Examination:
    def __init__(self, described: TaskDescription, lob_limit_kb: int) -> None:
        self.described, self.lob_limit_kb = described, lob_limit_kb
        self.name = f"The CDC task {name_of(described.task)}"
        self.settings = settings_of(described.task)
        self.states = {
            (str(one.get("SchemaName")), str(one.get("TableName"))): str(one.get("TableState"))
            for one in described.statistics
        }

    def run(self, tables: Sequence[CarriedTable]) -> Iterator[TaskFinding]:
        yield from self._endpoints()
        if not self.settings:
            yield TaskFinding(
                "refuse",
                "no-settings",
                f"{self.name} does not tell its settings; allow this role dms:DescribeReplicationTasks in full.",
            )
        yield from self._policies()
        yield from self._task()
        for table in tables:
            try:
                found = replicated(
                    str(self.described.task.get("TableMappings")),
                    str(self._group("TargetMetadata").get("TargetSchema") or ""),
                    table.source_schema,
                    table.source_table,
                    [column.source for column in table.columns],
                )
            except MappingError as error:
                unread = f"{self.name} has no mapping that can be read. {error.sentence}"
                yield TaskFinding("refuse", "no-mapping", unread)
                return
            yield from self._selection(table, found)
            if table.mark and self._group("ErrorBehavior").get("ApplyErrorInsertPolicy") == "INSERT_RECORD":
                yield TaskFinding(
                    "warn",
                    "mark-stays",
                    f"{self.name} has ApplyErrorInsertPolicy INSERT_RECORD: where the source inserts the key of a row "
                    f"of {table.target} again that is marked as deleted, CDC updates the row and leaves {table.mark} "
                    "as it is; let a trigger take the mark back, or set orphans: delete.",
                )

    def _group(self, name: str) -> Mapping[str, Any]:
        found = self.settings.get(name)
        return found if isinstance(found, Mapping) else {}

    def _endpoints(self) -> Iterator[TaskFinding]:
        pairs = (("source", self.described.source, SOURCE_ENGINES), ("target", self.described.target, TARGET_ENGINES))
        for kind, endpoint, engines in pairs:
            engine = endpoint.get("EngineName")
            if engine not in engines:
                yield TaskFinding(
                    "refuse",
                    "other-engine",
                    f"{self.name} has a {kind} endpoint of the engine {engine}, not {' or '.join(engines)}; check "
                    "cdc.task_arn.",
                )
        theirs, ours = self.described.source, self.described.load_source
        for setting, read in (("NumberDatatypeScale", number_scale), ("TrimSpaceInChar", trims_char)):
            if read(theirs) != read(ours):
                yield TaskFinding(
                    "refuse",
                    "other-values",
                    f"{self.name} reads the source with {setting} {read(theirs)} and a reload with {read(ours)}: they "
                    "would write different values; set both source endpoints alike.",
                )
        script = endpoint_script(self.described.target)
        if not _REPLICA.search(script):
            yield TaskFinding(
                "warn",
                "foreign-keys-enforced",
                f"The target endpoint of {self.name[4:]} does not set session_replication_role to replica "
                "(PostgreSQLSettings.AfterConnectScript): foreign keys and triggers of production may refuse what CDC "
                "carries.",
            )

    def _policies(self) -> Iterator[TaskFinding]:
        behavior = self._group("ErrorBehavior")
        for key, default in _APPLY_POLICIES.items():
            policy = behavior.get(key, default)
            if policy in ("SUSPEND_TABLE", "STOP_TASK"):
                what = "suspend the table" if policy == "SUSPEND_TABLE" else "stop the task"
                yield self._fence(
                    "apply-policy", f"{key} {policy}: a row that a reload writes beside CDC could {what} for good"
                )
            elif policy == "IGNORE_RECORD" and key != "ApplyErrorDeletePolicy":
                yield self._fence("ignored-records", f"{key} {policy}: what CDC skips is written down nowhere")
        escalation = behavior.get("ApplyErrorEscalationPolicy", "LOG_ERROR")
        if escalation in ("SUSPEND_TABLE", "STOP_TASK") and behavior.get("ApplyErrorEscalationCount"):
            yield self._fence(
                "apply-escalation",
                f"ApplyErrorEscalationPolicy {escalation} after {behavior['ApplyErrorEscalationCount']} errors: rows "
                "that a reload writes beside CDC can cause that many",
            )
        if self._group("TargetMetadata").get("BatchApplyEnabled"):
            yield self._fence(
                "batch-apply", "BatchApplyEnabled: not every change that finds no row is written down in batch mode"
            )

    def _fence(self, code: str, why: str) -> TaskFinding:
        return TaskFinding("fence", code, f"{self.name} has {why}; set against_cdc: fence, or change that setting.")

    def _task(self) -> Iterator[TaskFinding]:
        characters = self._group("CharacterSetSettings")
        if characters.get("CharacterReplacements") or characters.get("CharacterSetSupport"):
            yield TaskFinding(
                "refuse",
                "character-set",
                f"{self.name} replaces characters (CharacterSetSettings), which a reload does not: rows would differ; "
                "take that setting out.",
            )
        if stop := self.described.task.get("CdcStopPosition"):
            yield TaskFinding(
                "warn",
                "stop-position",
                f"{self.name} ends by itself at {stop}; from then on nothing carries changes to production.",
            )

    def _selection(self, table: CarriedTable, found: Replicated) -> Iterator[TaskFinding]:
        if not found.selected:
            yield TaskFinding(
                "refuse",
                "not-selected",
                f"{self.name} does not select {table.source}, so it carries no changes into {table.target}; name the "
                "task that does in cdc.task_arn, or in cdc_task_arn of the group.",
            )
            return
        if found.filtered_by is not None:
            yield self._refuse_table(
                "row-filter",
                f"carries only some rows of {table.source} (filter of rule {found.filtered_by})",
                "a reload would bring the others into production; take the filter out",
            )
        place = f"{found.schema}.{found.table}"
        if place != table.target:
            yield self._refuse_table(
                "other-target",
                f"carries {table.source} into {place}, not into {table.target}",
                "name the task that does in cdc.task_arn, or fix target in the configuration",
            )
        yield from self._columns(table, found)
        yield from self._lobs(table, found)
        yield from self._state(table)

    def _refuse_table(self, code: str, what: str, fix: str) -> TaskFinding:
        return TaskFinding("refuse", code, f"{self.name} {what}; {fix}.")

    def _columns(self, table: CarriedTable, found: Replicated) -> Iterator[TaskFinding]:
        left_out = [column.source for column in table.columns if found.columns[column.source] is None]
        if left_out:
            yield self._refuse_table(
                "column-left-out",
                f"leaves {', '.join(left_out)} of {table.source} out",
                "list them in ignored_source_columns, or let the task carry them",
            )
        renamed = [
            f"{column.source} into {found.columns[column.source]} instead of {column.target}"
            for column in table.columns
            if found.columns[column.source] not in (None, column.target)
        ]
        if renamed:
            yield self._refuse_table(
                "other-column",
                f"carries columns of {table.source} elsewhere ({', '.join(renamed)})",
                "fix the task's mapping or the names in production",
            )
        if found.masked:
            yield self._refuse_table(
                "values-masked",
                f"masks values of {table.source} ({_by_rule(found.masked)})",
                "a reload would bring the source's own; list those columns in ignored_source_columns, or take "
                "the rules out",
            )
        if found.retyped:
            yield TaskFinding(
                "warn",
                "data-type-changed",
                f"{self.name} gives columns of {table.source} other types ({_by_rule(found.retyped)}); a reload brings "
                "values as the source has them.",
            )
        known = {column.target for column in table.columns}
        if filled := [name for name in found.added if name in known]:
            yield self._refuse_table(
                "column-computed",
                f"fills {', '.join(filled)} of {table.target} by an expression",
                "list the source columns of that name in ignored_source_columns",
            )
        if added := [name for name in found.added if name not in known]:
            yield TaskFinding(
                "warn",
                "column-added",
                f"{self.name} fills {', '.join(added)} of {table.target} by an expression; rows that a reload inserts "
                "have production's default there.",
            )

    def _lobs(self, table: CarriedTable, found: Replicated) -> Iterator[TaskFinding]:
        lobs = ", ".join(column.source for column in table.columns if column.is_lob)
        if not lobs:
            return
        metadata = self._group("TargetMetadata")
        if not found.lob_mode and not metadata.get("SupportLobs", True):
            yield TaskFinding(
                "warn",
                "lobs-left-out",
                f"{self.name} carries no LOBs (SupportLobs), so {lobs} of {table.target} changes by reloads only.",
            )
            return
        if found.lob_mode:
            limited, limit = found.lob_mode == "limited", found.lob_kb or _DEFAULT_LOB_KB
        else:
            limited = not metadata.get("FullLobMode") and metadata.get("LimitedSizeLobMode", True)
            limit = int(metadata.get("LobMaxSize", _DEFAULT_LOB_KB))
        if limited and limit < self.lob_limit_kb:
            yield TaskFinding(
                "warn",
                "lobs-cut",
                f"{self.name} cuts LOBs at {limit} KB and a reload at {self.lob_limit_kb} KB: a change carried later "
                f"would cut {lobs} of {table.target}; set its LobMaxSize to {self.lob_limit_kb}.",
            )

    def _state(self, table: CarriedTable) -> Iterator[TaskFinding]:
        state = self.states.get((table.source_schema, table.source_table))
        if state is None:
            yield self._refuse_table(
                "not-captured",
                f"selects {table.source}, but does not count it among its tables",
                "see its log, and restart it",
            )
        elif state != _CARRIED_STATE:
            yield self._refuse_table(
                "table-state",
                f"does not carry {table.source}: DMS says {state!r}",
                "see awsdms_apply_exceptions and its log, and let it carry the table again",
            )


def endpoint_script(endpoint: Mapping[str, Any]) -> str:
    """Return the SQL that a PostgreSQL endpoint runs after each connect; empty if it runs none."""
    settings = endpoint.get("PostgreSQLSettings")
    nested = settings.get("AfterConnectScript") if isinstance(settings, Mapping) else None
    return str(nested or extra_attributes(endpoint).get("afterconnectscript") or "")


def _by_rule(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {rule}" for name, rule in columns.items())


def settings_of(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a task as DMS describes it; none if it does not say them."""
    try:
        found = json.loads(str(task.get("ReplicationTaskSettings")))
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
