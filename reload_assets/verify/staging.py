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
from reload_assets.verify.staged_values import Keys, LobLimit, OnlySelected, WindowBounds

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

STAGING_CHECKS = ("row_count", "types", "window_bounds", "keys", "lob_limit")
"""The checks on the staged rows of a window."""
STAGING_CHECKS_OF_KEYS = ("row_count", "types", "only_selected", "keys", "lob_limit")
"""The checks on the staged rows of a list of keys."""
_CHECKS: Mapping[str, StagingCheck] = {
    "row_count": RowCount(),
    "types": ColumnTypes(),
    "window_bounds": WindowBounds(),
    "only_selected": OnlySelected(),
    "keys": Keys(),
    "lob_limit": LobLimit(),
}


def staging_checks(reload: Reload) -> tuple[str, ...]:
    """Return the checks that the staged rows of a reload have to pass."""
    return STAGING_CHECKS_OF_KEYS if reload.window is None else STAGING_CHECKS


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
    """Return the outcomes of the chosen checks on one table of a reload, in the order of ``staging_checks``.

    ``zone`` is the time zone of the source's timestamps. DMS cuts LOBs at ``lob_limit_kb``. ``source_configured`` says
    whether there is a source connection. Its ``reader`` finds the rows that a load lacks. If a check cannot be carried
    out, its outcome is 'could not verify'. Raises TargetError, and ValueError for an unknown check.
    """
    known = staging_checks(reload)
    if unknown := set(checks) - set(known):
        raise ValueError(f"There is no check {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
    with target.connect(autocommit=True) as connection:
        production = read_columns(connection, table.production.schema, table.production.name)
        context = Context(connection, zone, lob_limit_kb, reload, table, staged, production, source_configured, reader)
        chosen = {name: _CHECKS[name] for name in known if name in checks}
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
