"""Blocking checks on the staged rows of a load. They write their verdict into the ledger, where the merge reads it."""

from collections.abc import Iterator

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
from reload_assets.ledger.records import CheckResult
from reload_assets.merge.preconditions import not_verified
from reload_assets.partitions import Family
from reload_assets.resolved import resolved_tables
from reload_assets.resources.reload import ReloadResource
from reload_assets.verify.staging import STAGING_CHECKS, STAGING_CHECKS_OF_KEYS, verify_staging

DESCRIPTIONS = {
    "row_count": "Every selected row that the source had all through the load is staged, and none twice.",
    "types": "Each staged column has production's declared type, and the source's type fits into it.",
    "window_bounds": "No staged row lies outside the half-open window.",
    "only_selected": "No staged row has another key than the selected ones.",
    "keys": "Keys are unique and not NULL, and no column that production declares NOT NULL has NULLs.",
    "lob_limit": "No LOB reaches the limit at which DMS cuts it.",
}


def staging_checks(family: Family, table: str) -> AssetChecksDefinition:
    """Return the blocking checks of one staged table."""
    asset = family.key("staging", table)

    @multi_asset_check(
        name=family.step("verify_staged", table),
        specs=[
            AssetCheckSpec(
                name, asset=asset, description=DESCRIPTIONS[name], blocking=True, partitions_def=family.partitions
            )
            for name in (STAGING_CHECKS_OF_KEYS if family.kind == "keys" else STAGING_CHECKS)
        ],
        description=f"Verify the staged rows of {table}, with great_expectations and with SQL.",
        can_subset=True,
    )
    def verify(context: AssetCheckExecutionContext, reload: ReloadResource) -> Iterator[AssetCheckResult]:
        with readable_errors():
            partition = partition_key(context.run)
            ledger, target, config = reload.services.ledger, reload.services.target, reload.services.config
            current = current_reload(ledger, family, partition, [table])
            with target.connect(autocommit=True) as connection:
                (resolved,) = resolved_tables(connection, current, [table])
            staged = ledger.tables(current.reload_id)[table]
            with reload.services.source() as reader:
                outcomes = verify_staging(
                    target,
                    config.source.zone,
                    current,
                    resolved,
                    staged,
                    lob_limit_kb=config.dms.task.lob_limit_kb,
                    source_configured=reader is not None,
                    checks={key.name for key in context.selected_asset_check_keys},
                    reader=reader,
                )
            results = [
                CheckResult(table, outcome.check_name, outcome.status, outcome.blocking, outcome.detail)
                for outcome in outcomes
            ]
            ledger.record_checks(current.reload_id, table, results)
        for outcome in outcomes:
            yield check_result(asset, current, outcome)
        # Or Dagster would fail the step for that, with a stack trace of its own.
        if unpassed := [result for result in results if result.blocking and result.status != "passed"]:
            with readable_errors():
                raise not_verified(current, unpassed)

    return verify
