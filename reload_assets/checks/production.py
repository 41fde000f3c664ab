"""Checks on production after the merge. They undo nothing, but report every difference."""

from collections.abc import Iterator
from contextlib import nullcontext

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    multi_asset_check,
)

from reload_assets.assets.current_reload import current_reload
from reload_assets.assets.load_steps import readable_errors
from reload_assets.assets.partition_key import partition_key
from reload_assets.checks.results import check_result
from reload_assets.partitions import Family
from reload_assets.resolved import resolved_tables
from reload_assets.resources.reload import ReloadResource
from reload_assets.verify.production import AFTER_CHECKS, AFTER_CHECKS_OF_KEYS, verify_merged

DESCRIPTIONS = {
    "staged_in_production": "Every staged row is in production, or was refused there for a newer one.",
    "foreign_keys": "No selected row refers to a row that production does not have.",
    "keys_match_source": "The selected keys have the same versions and content in production as in the source.",
    "window_matches_source": "The window has the same keys, versions and content in production as in the source.",
    "confirmed": "The source was read again after the merge, and nothing was left to correct.",
}


def production_checks(family: Family, table: str) -> AssetChecksDefinition:
    """Return the checks of one merged table."""
    asset = family.key("production", table)

    @multi_asset_check(
        name=family.step("verify_merged", table),
        specs=[
            AssetCheckSpec(name, asset=asset, description=DESCRIPTIONS[name], partitions_def=family.partitions)
            for name in (AFTER_CHECKS_OF_KEYS if family.kind == "keys" else AFTER_CHECKS)
        ],
        description=f"Compare production's rows of {table} with what was staged and with the source.",
        can_subset=True,
    )
    def verify(context: AssetCheckExecutionContext, reload: ReloadResource) -> Iterator[AssetCheckResult]:
        with readable_errors():
            partition = partition_key(context.run)
            ledger, target = reload.services.ledger, reload.services.target
            current = current_reload(ledger, family, partition, [table])
            with target.connect(autocommit=True) as connection:
                (resolved,) = resolved_tables(connection, current, [table])
            cdc = reload.services.cdc(family.group, context.log.info)
            with (
                reload.services.source() as reader,
                cdc.by_source_clock(reader.now if reader else None) if cdc else nullcontext(),
            ):
                outcomes = verify_merged(
                    target,
                    reload.services.config.source.zone,
                    current,
                    resolved,
                    ledger.tables(current.reload_id)[table],
                    reader,
                    cdc,
                )
        selected = {key.name for key in context.selected_asset_check_keys}
        for outcome in outcomes:
            if outcome.check_name in selected:
                yield check_result(asset, current, outcome)

    return verify
