"""Defines a check on staging, and the context that every check gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.errors import UndefinedTable

from reload_assets.errors import SourceUnavailable
from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.postgres.catalog import Column
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable
from reload_assets.verify.expectations import Expectation, TypesOf, Verdict
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.pieces import StagingTable
from reload_assets.verify.source_keys import Matched, SourceKeys

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class Context:
    """One staged table under verification. ``production_columns`` are as they are now, not as the reload opened.

    ``zone`` is the time zone of the source's timestamps.
    """

    connection: Connection[Any]
    zone: ZoneInfo
    lob_limit_kb: int
    reload: Reload
    table: ReloadTable
    staged: StagedTable
    production_columns: Sequence[Column]
    source_configured: bool
    reader: SourceReader | None

    @cached_property
    def table_now(self) -> ReloadTable:
        """The table with production's columns as they are now."""
        now = {column.name: column for column in self.production_columns}
        columns = [replace(column, target=now.get(column.name, column.target)) for column in self.table.columns]
        return replace(self.table, columns=tuple(columns))

    @property
    def name(self) -> str:
        """The name of the staging table, for messages."""
        return f"{self.staged.staging_schema}.{self.staged.staging_table}"

    @property
    def field(self) -> str:
        """The table's place in the configuration, for messages."""
        return f"groups.{self.reload.group_name}.tables.{self.table.name}"

    @cached_property
    def matched(self) -> Matched | str:
        """The staged rows matched with the source's by key, or a text: why that is not possible, and the fix."""
        if self.reader is None or self.staged.source_rows_before is None:
            return "its rows were not noted before the load; reload the window again."
        noted = SourceKeys(self.connection, self.reader, self.reload, self.table, self.staged, self.zone)
        try:
            found = noted.match()
        except SourceUnavailable as error:
            return f"{error.sentence.rstrip('.')}; fix that and check again. [{error.code}]"
        except UndefinedTable:
            return "the rows that it had before the load are not noted any more; reload the window again."
        if found.noted != self.staged.source_rows_before:
            # The table is unlogged, as staging is: after a crash of the server it is empty.
            return "the rows that it had before the load are not noted any more; reload the window again."
        return found

    @property
    def staging(self) -> StagingTable:
        """The staging table, for statements."""
        return StagingTable(staging_schema=self.staged.staging_schema, staging_table=self.staged.staging_table)


class StagingCheck(Protocol):
    """A check: what great_expectations verifies, if anything, and what its verdicts and our own SQL lead to."""

    def expect(self, context: Context) -> Sequence[Expectation | TypesOf]:
        """Return the expectations of the check; none if our SQL alone decides."""

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """Return the outcome. Raises psycopg's errors."""


def is_there(connection: Connection[Any], staged: StagedTable) -> bool:
    """Return whether the staging table that was made for a load is still there."""
    place = {"staging_schema": staged.staging_schema, "staging_table": staged.staging_table}
    found = run(connection, "verify/2_staging:find_staging", **place, staging_oid=staged.staging_oid)
    return found.fetchone() is not None


def first_problem(verdicts: Sequence[Verdict]) -> str | None:
    """Return why an expectation could not be verified; None if all could."""
    return next((verdict.problem for verdict in verdicts if verdict.problem), None)


def failed(verdicts: Sequence[Verdict]) -> bool:
    """Return whether an expectation was verified and not met."""
    return any(verdict.failed for verdict in verdicts)


def unverified(check: str, context: Context, problem: str) -> CheckOutcome:
    """Return the outcome of a check that could not be carried out. It blocks the merge."""
    return CheckOutcome(
        check,
        "could not verify",
        True,
        f"{context.name} could not be looked at ({problem}); fix that and check again.",
    )
