"""Finds the rows that DMS's validation has listed as failures, and has DMS validate a group.

A validation belongs to a run and to no reload. Its task has the run's id as a tag, so that the sweeper removes it if
the run dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reload_assets.config.model import ReloadConfig
from reload_assets.dms.patterns import transforms
from reload_assets.dms.validation import TableValidation
from reload_assets.errors import DmsError
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.validation import NothingValidated, TableNotValidated
from reload_assets.finders.validation import FoundFailures, Resolve, find_failures
from reload_assets.finders.watched import WatchedTable
from reload_assets.ledger.records import RUN_TAG, VALIDATES_TAG
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables, watched_tables
from reload_assets.reload.steps import Steps
from reload_assets.tables import ReloadTable, resolve_group

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

OpenSource = Callable[[], "SourceReader | None"]


def find_validation_failures(
    config: ReloadConfig,
    target: TargetDatabase,
    open_source: OpenSource,
    task: str | None = None,
    most: int | None = None,
) -> FoundFailures:
    """Read the failures that nobody has taken up yet: of a task (the last part of its ARN), or of all tasks.

    About ``most`` of them are returned. The source is read only if there are some. Raises ControlTableDenied, and
    ConfigError without the section ``cdc``.
    """
    schema = control_schema(config)
    with target.connect(autocommit=True) as connection, _resolving(config, target, open_source) as resolve:
        return find_failures(connection, schema, watched_tables(config), resolve, task, most)


def control_schema(config: ReloadConfig) -> str:
    """Return the schema of DMS's control tables. Raises ConfigError without the section ``cdc``."""
    if config.cdc is None:
        said = "is missing; DMS's validation writes its failures into cdc.control_schema, so write the section"
        raise ConfigValue(f"{config.file}: cdc", said)
    return config.cdc.control_schema


@contextmanager
def _resolving(config: ReloadConfig, target: TargetDatabase, open_source: OpenSource) -> Iterator[Resolve]:
    """Complete tables from the catalogs over sessions that are opened with the first table."""
    with ExitStack() as sessions:
        opened: list[SourceReader | None] = []

        def resolve(watched: WatchedTable) -> tuple[ReloadTable, Sequence[Sequence[str]]]:
            if not opened:
                opened.append(open_source())
                if opened[0] is not None:
                    sessions.callback(opened[0].close)
            reader = opened[0]
            with target.connect(autocommit=True) as connection:
                group = group_tables(config, watched.group)
                [table] = resolve_group(group, connection, reader, [watched.name])
            known = reader.of(table.source_schema).unique_keys(table.source_table) if reader else []
            return table, known

        yield resolve


@dataclass
class Validated:
    """What came of a validation: what DMS says about each table that it compared, and what it found.

    ``not_validated`` says of each other table why it was not compared, or not whole: sentences with a code.
    """

    tables: dict[str, TableValidation] = field(default_factory=dict)
    not_validated: list[str] = field(default_factory=list)
    found: FoundFailures = field(default_factory=FoundFailures)


@dataclass(frozen=True)
class Validation(Steps):
    """Has DMS compare all rows of a group's tables once, by tasks that only validate."""

    def run(self, group: str, run_id: str) -> Validated:
        """Validate a group, and find what the tasks listed. They are removed again.

        Rows that CDC was about to apply may be listed too; their reload changes nothing. Raises DmsError if a task
        cannot be created or does not end well, or if no table was validated, and ConfigError.
        """
        schema = control_schema(self.config)
        self.tasks.check_endpoints(*self.engine.arns())
        with self.source() as reader, self.target.connect(autocommit=True) as connection:
            tables = resolve_group(group_tables(self.config, group), connection, reader)
        validated = Validated()
        by_schema: dict[str, list[ReloadTable]] = {}
        for table in tables:
            if unnamed := _not_named(table):
                why = f"DMS cannot rename the columns {', '.join(unnamed)} of {table.source}, whose names differ there"
                validated.not_validated.append(str(TableNotValidated(table.target, why)))
            else:
                by_schema.setdefault(table.production.schema, []).append(table)
        tags = {RUN_TAG: run_id, VALIDATES_TAG: group}
        for some in by_schema.values():
            self._validate(group, some, schema, tags, validated)
        if not any(one.is_compared for one in validated.tables.values()):
            raise NothingValidated(group, " ".join(validated.not_validated))
        return validated

    def _validate(
        self, group: str, tables: Sequence[ReloadTable], schema: str, tags: Mapping[str, str], validated: Validated
    ) -> None:
        """Validate tables that are in one schema of production."""
        request = self.engine.validation_request(group, tables, schema, tags)
        arn = self.tasks.create(request)
        try:
            self.tasks.wait_ready(arn)
            self.tasks.start(arn)
            self.say(f"DMS task {request.identifier} validates {', '.join(table.name for table in tables)}")
            states = {one.table: one for one in self.tasks.wait_validated(arn, self._say_progress)}
            found = find_validation_failures(self.config, self.target, self.open_source, arn.rsplit(":", 1)[-1])
        finally:
            self._remove(arn)
        for table in tables:
            state = states.get((table.source_schema, table.source_table))
            if state is not None:
                validated.tables[table.name] = state
            why = f"DMS did not find {table.source} in the source" if state is None else state.why_not
            if why is not None:
                validated.not_validated.append(str(TableNotValidated(table.target, why)))
        incomplete = {name for name, state in validated.tables.items() if not state.is_compared}
        validated.found.findings += [
            replace(one, is_complete=False) if one.table in incomplete else one for one in found.findings
        ]
        validated.found.problems += found.problems

    def _remove(self, arn: str) -> None:
        try:
            self.tasks.remove(arn)
        except DmsError as error:
            self.say(f"{error} The sensor sweeper tries again.")

    def _say_progress(self, status: str, tables: Iterable[TableValidation]) -> None:
        each = ", ".join(f"{one.table[1]} {one.state} ({one.pending} pending, {one.failed} failed)" for one in tables)
        self.say(f"DMS {status}: {each or 'no table yet'}")


def _not_named(table: ReloadTable) -> list[str]:
    """Return the source columns that DMS would look for in production under a name that they do not have there."""
    columns = [one.source for one in table.columns if not transforms(one.source) and one.source != one.name]
    return [*columns, *(one.name for one in table.loaded_anyway)]
