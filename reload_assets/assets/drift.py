"""``drift/*``: a comparison of production's window with the source, which loads nothing."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    FreshnessPolicy,
    MaterializeResult,
    multi_asset,
)

from reload_assets.assets.layers import layer_tags
from reload_assets.assets.load_steps import readable_errors
from reload_assets.assets.partition_key import partition_key
from reload_assets.compare.drifted import OUTCOMES, Drift
from reload_assets.config.model import ReloadConfig
from reload_assets.finders.drift import Compared
from reload_assets.finders.requesting import Asked
from reload_assets.partitions import Family
from reload_assets.reload.failures import ReadableError, describe
from reload_assets.resources.reload import ReloadResource

DRIFT_FREE = "drift_free"


def drift_assets(config: ReloadConfig, family: Family) -> AssetsDefinition:
    """Return the comparisons of a group's tables over the cadence's windows.

    Each depends on its table of production: whoever looks at a window there finds its comparison behind it, and one
    that is older than the last reload is shown as such. They are an asset group of their own, so that whoever
    materializes all of a group's assets reloads windows and does not compare them a second time.
    """
    settings = config.groups[family.group]
    drift = config.finders.drift
    # Of all partitions together; the check compared_within is about each of them.
    freshness = None if drift is None else FreshnessPolicy.time_window(timedelta(days=drift.within_days))

    @multi_asset(
        name=f"compare_{family.name}",
        specs=[
            AssetSpec(
                key=family.key("drift", name),
                deps=[family.key("production", name)],
                partitions_def=family.partitions,
                group_name=drift_group(family),
                tags=layer_tags("drift", "postgres", "oracle"),
                owners=settings.owners,
                description=f"What differs between {config.target_of(family.group, name)} and the source's "
                f"{config.source_of(family.group, name)} in the window, once CDC has passed. Nothing is loaded.",
                metadata={"dagster/table_name": str(config.target_of(family.group, name))},
                freshness_policy=freshness,
            )
            for name in settings.tables
        ],
        check_specs=[
            AssetCheckSpec(
                DRIFT_FREE,
                asset=family.key("drift", name),
                description="No row of the window differs from the source at two readings, with CDC past the first.",
                partitions_def=family.partitions,
            )
            for name in settings.tables
        ],
        can_subset=True,
        description="Compare the window with the source, twice where it differs, and ask for the reload of drift if "
        "finders.drift is set.",
    )
    def compare(
        context: AssetExecutionContext, reload: ReloadResource
    ) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
        checked = {key.asset_key for key in context.selected_asset_check_keys}
        chosen = family.tables(context.selected_asset_keys | checked)
        with readable_errors():
            window = family.window(partition_key(context.run))
            finder = reload.services.drift_finder(family.group, context.log.info)
            names = [name for name in settings.tables if name in chosen]
            compared, asked = finder.compare(window, names, context.run.run_id)
        for one in compared:
            context.log.info(f"{one.table}: {one.detail}")
        if asked is not None:
            context.log.info(str(asked))
        for one in compared:
            key = family.key("drift", one.table)
            if one.drift is None:
                continue
            # A window that was compared in part stays as it was.
            if one.drift.is_whole and key in context.selected_asset_keys:
                yield MaterializeResult(asset_key=key, metadata=_metadata(one, one.drift, asked))
            if key in checked:
                yield AssetCheckResult(
                    asset_key=key,
                    check_name=DRIFT_FREE,
                    passed=one.drift.is_whole and not one.drift.drifted,
                    severity=AssetCheckSeverity.ERROR if one.drift.drifted else AssetCheckSeverity.WARN,
                    description=one.detail,
                    metadata=_metadata(one, one.drift, asked),
                )
        if failed := [one for one in compared if one.error is not None]:
            raise ReadableError(" ".join(describe(one.error) for one in failed if one.error is not None))

    return compare


def drift_group(family: Family) -> str:
    """Return the asset group of the comparisons."""
    return f"{family.asset_group}_drift"


def _metadata(compared: Compared, drift: Drift, asked: Asked | None) -> dict[str, Any]:
    """Return the numbers of a comparison, which the UI plots over the windows, and its sentence."""
    effort = drift.effort
    some = {f"{outcome} keys": [list(key) for key in keys[:20]] for outcome, keys in drift.keys.items() if keys}
    return {
        "found": compared.detail,
        "rows compared": drift.source_rows,
        "rows drifted": drift.drifted,
        **{outcome: drift.counts.get(outcome, 0) for outcome in OUTCOMES},
        "left by policy": sum(drift.left.values()),
        "changing": drift.changing,
        "segments": drift.segments,
        "segments differing": drift.segments_differing,
        "rows read from the source": effort.source_rows_read,
        "rows read from production": effort.production_rows_read,
        "seconds": round(drift.seconds, 3),
        "seconds of the source": round(effort.source_seconds, 3),
        "seconds of production": round(effort.production_seconds, 3),
        "waited for CDC (s)": round(effort.waited_seconds, 3),
        "comparison": compared.comparison_id,
        "began at (UTC, the source's clock)": drift.began_at.isoformat(),
        **({"not_compared": dict(compared.not_compared)} if compared.not_compared else {}),
        **({"requests": str(asked)} if asked is not None and drift.drifted else {}),
        **some,
    }
