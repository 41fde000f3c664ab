"""``reload-assets sql``: prints a step of a reload as one script for psql, composed for a real table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click
from psycopg.errors import UndefinedTable

from reload_assets.cli.configured import Configured
from reload_assets.confirm.script import confirm_script
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.errors import did_you_mean
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.reloads import LedgerMissing, NoReloadYet, ReloadOfOthers, StagingGone
from reload_assets.ledger.records import Reload
from reload_assets.merge.script import merge_script
from reload_assets.merge.statements import MergeStatements, merge_statements
from reload_assets.reload.services import Services
from reload_assets.resolved import resolved_tables
from reload_assets.verify.script import verify_script


@dataclass(frozen=True)
class Chosen:
    """A table of a reload. ``others`` are the reload's other tables; ``beside_cdc`` says that CDC writes the table.

    ``lob_limit_kb`` is the size in KB at which DMS cuts LOBs.
    """

    table: MergeStatements
    others: Sequence[MergeStatements]
    beside_cdc: bool
    lob_limit_kb: int


def _merge(chosen: Chosen) -> str:
    return merge_script(chosen.table, chosen.others)


def _confirm(chosen: Chosen) -> str:
    return confirm_script(ConfirmStatements(chosen.table, exact=chosen.beside_cdc))


def _verify(chosen: Chosen) -> str:
    table = chosen.table
    return verify_script(table.reload, table.table, table.staged, table.zone, chosen.lob_limit_kb)


STEPS: Mapping[str, Callable[[Chosen], str]] = {"merge": _merge, "confirm": _confirm, "verify": _verify}
"""The script of each step."""


@click.command()
@click.argument("step", type=click.Choice(list(STEPS)))
@click.argument("table", metavar="GROUP.TABLE")
@click.option("--reload", "reload_id", type=int, metavar="ID", help="The reload to print it for (default: the latest).")
@click.pass_obj
def sql(configured: Configured, step: str, table: str, reload_id: int | None) -> None:
    """Print the statements of a step for one table, ready for psql.

    Names, window and keys are those of the table's latest reload. At its end the script rolls everything back.
    """
    services = configured.services
    try:
        chosen = _chosen(services, table, reload_id)
    except UndefinedTable:
        raise LedgerMissing(str(services.target)) from None
    click.echo(STEPS[step](chosen), nl=False)


def _chosen(services: Services, place: str, reload_id: int | None) -> Chosen:
    """Return a table as its reload resolved it. Raises ConfigError, LedgerError."""
    group, name = _configured_table(services, place)
    reload = _reload(services, group, name, reload_id)
    staged = services.ledger.tables(reload.reload_id)
    known = staged[name]
    if known.staging_dropped_at is not None:
        raise StagingGone(reload.title, f"{known.staging_schema}.{known.staging_table}")
    with services.target.connect(autocommit=True) as connection:
        tables = resolved_tables(connection, reload)
    found = merge_statements(reload, tables, staged, services.config.source.zone)
    (table,) = (one for one in found if one.table.name == name)
    others = [one for one in found if one is not table]
    return Chosen(
        table,
        others,
        beside_cdc=services.cdc_task_arn(group) is not None,
        lob_limit_kb=services.config.dms.task.lob_limit_kb,
    )


def _configured_table(services: Services, place: str) -> tuple[str, str]:
    """Split ``GROUP.TABLE``; either name may have dots. Raises ConfigError if the table is not configured."""
    known = {f"{group}.{name}": (group, name) for group, one in services.config.groups.items() for name in one.tables}
    if place not in known:
        raise ConfigValue(f"{services.config.file}: groups", f"has no table {place!r}{did_you_mean(place, known)}")
    return known[place]


def _reload(services: Services, group: str, table: str, reload_id: int | None) -> Reload:
    """Return the reload of the table: the named one, else the latest. Raises LedgerError."""
    if reload_id is None:
        latest = services.ledger.latest_of_table(group, table)
        if latest is None:
            raise NoReloadYet(f"{group}.{table}")
        return latest
    reload = services.ledger.get(reload_id)
    if reload.group_name != group or table not in reload.tables:
        raise ReloadOfOthers(reload.title, f"{group}.{table}", f"{', '.join(reload.tables)} of {reload.group_name}")
    return reload
