"""Runs the checks on staging between a load and its merge."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from psycopg import Error as DatabaseError

from reload_assets.errors.reloads import StagingGone
from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.postgres.catalog import read_columns
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.tables import ReloadTable
from reload_assets.verify.column_types import ColumnTypes
from reload_assets.verify.context import Context, StagingCheck, is_there, unverified
from reload_assets.verify.expectations import Verdict, validate
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.row_count import RowCount
from reload_assets.verify.staged_values import Keys, LobLimit, WindowBounds

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

STAGING_CHECKS = ("row_count", "types", "window_bounds", "keys", "lob_limit")
_CHECKS: Mapping[str, StagingCheck] = dict(
    zip(STAGING_CHECKS, (RowCount(), ColumnTypes(), WindowBounds(), Keys(), LobLimit()), strict=True)
)


def verify_staging(
    target: TargetDatabase,
    zone: ZoneInfo,
    reload: Reload,
    table: ReloadTable,
    staged: StagedTable,
    *,
    lob_limit_kb: int,
    source_configured: bool,
    checks: Collection[str],
    reader: SourceReader | None = None,
) -> list[CheckOutcome]:
    """Return the outcomes of the chosen checks on one table of a reload, in the order of STAGING_CHECKS.

    ``zone`` is the time zone of the source's timestamps. DMS cuts LOBs at ``lob_limit_kb``. ``source_configured`` says
    whether there is a source connection. Its ``reader`` finds the rows that a load lacks. If a check cannot be carried
    out, its outcome is 'could not verify'. Raises TargetError, and ValueError for an unknown check.
    """
    if unknown := set(checks) - set(STAGING_CHECKS):
        raise ValueError(f"There is no check {', '.join(sorted(unknown))}; there are {', '.join(STAGING_CHECKS)}.")
    with target.connect(autocommit=True) as connection:
        production = read_columns(connection, table.production.schema, table.production.name)
        context = Context(connection, zone, lob_limit_kb, reload, table, staged, production, source_configured, reader)
        chosen = {name: check for name, check in _CHECKS.items() if name in checks}
        if not is_there(connection, staged):
            return [_gone(name, context) for name in chosen]
        expectations = [one for check in chosen.values() for one in check.expect(context)]
        verdicts = validate(target, staged.staging_schema, staged.staging_table, expectations)
        return [_judged(name, check, context, verdicts.get(name, [])) for name, check in chosen.items()]


def _judged(name: str, check: StagingCheck, context: Context, verdicts: list[Verdict]) -> CheckOutcome:
    try:
        return check.judge(context, verdicts)
    except DatabaseError as error:
        return unverified(name, context, str(error).strip().splitlines()[0])


def _gone(name: str, context: Context) -> CheckOutcome:
    detail = str(StagingGone(context.reload.title, context.name))
    return CheckOutcome(name, "failed" if name == "types" else "could not verify", True, detail)
