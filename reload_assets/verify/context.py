"""What every check on staging looks at, and what a check is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from psycopg import Connection, sql
from psycopg.errors import UndefinedTable

from reload_assets.errors import SourceUnavailable
from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.postgres.catalog import Column
from reload_assets.postgres.statements import Part
from reload_assets.tables import ReloadTable
from reload_assets.verify.expectations import Expectation, TypesOf, Verdict
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.source_keys import Matched, SourceKeys

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class Context:
    """One staged table under verification. ``production_columns`` are those of now, not of when the reload opened.

    ``zone`` is that of the source's timestamps.
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

    @property
    def name(self) -> str:
        """The staging table, for messages."""
        return f"{self.staged.staging_schema}.{self.staged.staging_table}"

    @property
    def field(self) -> str:
        """The table's place in the configuration, for messages."""
        return f"groups.{self.reload.group_name}.tables.{self.table.name}"

    @cached_property
    def matched(self) -> Matched | str:
        """The staged rows against the source's, by key; a text says why that cannot be had, a fix with it."""
        if self.reader is None or self.staged.source_rows_before is None:
            return "its rows were not noted before the load; reload the window again"
        staging = (self.staged.staging_table, self.staged.staging_oid)
        bounds = self.reload.loaded_window.in_zone(self.zone)
        noted = SourceKeys(self.connection, self.reader, self.table, self.staged.staging_schema, staging, bounds)
        try:
            found = noted.match()
        except SourceUnavailable as error:
            return f"{str(error).rstrip('.')}; fix that and check again"
        except UndefinedTable:
            return "the rows that it had before the load are not noted any more; reload the window again"
        if found.noted != self.staged.source_rows_before:
            # Unlogged, as staging is: a server that crashed comes back without them.
            return "the rows that it had before the load are not noted any more; reload the window again"
        return found

    @property
    def place(self) -> dict[str, Part]:
        """The staging table, for statements."""
        return {"schema": self.staged.staging_schema, "table": self.staged.staging_table}


class StagingCheck(Protocol):
    """A check: what great_expectations is to look for, and what to make of its verdicts."""

    def expect(self, context: Context) -> Sequence[Expectation | TypesOf]:
        """The expectations of the check."""

    def judge(self, context: Context, verdicts: Sequence[Verdict]) -> CheckOutcome:
        """The outcome; asks the database for counts and examples where something was found."""


def first_problem(verdicts: Sequence[Verdict]) -> str | None:
    """Why some expectation could not be verified; None where all could."""
    return next((verdict.problem for verdict in verdicts if verdict.problem), None)


def failed(verdicts: Sequence[Verdict]) -> bool:
    """Whether some expectation was looked at and not met."""
    return any(not verdict.success and not verdict.problem for verdict in verdicts)


def unverified(check: str, context: Context, problem: str) -> CheckOutcome:
    """The outcome of a check that could not be carried out, which the merge must wait for."""
    return CheckOutcome(
        check,
        "could not verify",
        True,
        f"{context.name} could not be looked at ({problem}); fix that and check again.",
    )


def key_text(names: Sequence[str], alias: str | None = None) -> sql.Composed:
    """A row's key as text: its columns, with commas between them."""
    columns = [sql.Identifier(alias, name) if alias else sql.Identifier(name) for name in names]
    texts = sql.SQL(", ").join(sql.SQL("coalesce({}::text, 'NULL')").format(column) for column in columns)
    return sql.SQL("concat_ws(', ', {})").format(texts)
