"""The check that every window was compared in time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    TimeWindowPartitionsDefinition,
    multi_asset_check,
)

from reload_assets.assets.load_steps import readable_errors
from reload_assets.config.finders import DriftConfig
from reload_assets.finders.comparisons import last_comparisons
from reload_assets.finders.turns import LastByWindow, overdue
from reload_assets.partitions import Family, cadence_keys_ending_in, cadence_window
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.resources.reload import ReloadResource
from reload_assets.verify.outcome import counted
from reload_assets.windows import Window

COMPARED_WITHIN = "compared_within"
_NAMED = 10


def promised_windows(family: Family, settings: DriftConfig, now: datetime) -> dict[Window, str]:
    """Return the windows that are to be compared in turn, with their partition keys, the oldest first."""
    partitions = family.partitions
    assert isinstance(partitions, TimeWindowPartitionsDefinition)
    keys = cadence_keys_ending_in(partitions, Window(now - timedelta(days=settings.days), now))
    return {cadence_window(partitions, key): key for key in keys}


def comparisons_of(target: TargetDatabase, family: Family, windows: Mapping[Window, str]) -> LastByWindow:
    """Return the last comparisons of these windows."""
    return last_comparisons(target, family.group, min(window.start for window in windows)) if windows else {}


def promise(
    family: Family, table: str, windows: Mapping[Window, str], last: LastByWindow, settings: DriftConfig, now: datetime
) -> tuple[bool, str, dict[str, Any]]:
    """Return whether the promise holds for a table, a sentence, and the numbers behind it."""
    late = [windows[window] for window in overdue(list(windows), table, last, settings, now)]
    within = f"within {settings.within_days:g} days (finders.drift.within_days)"
    if not late:
        said = f"Each of the {counted(len(windows), 'window')} of {settings.days:g} days was compared {within}."
    else:
        named = ", ".join(late[:_NAMED]) + (" ..." if len(late) > _NAMED else "")
        said = (
            f"{counted(len(late), 'window')} of {len(windows):,} of {table} without a comparison {within}: {named}; "
            f"see the runs of drift_{family.group}, and whether their comparisons end in time (finders.drift.seconds)."
        )
    return not late, said, {"windows": len(windows), "overdue": len(late)}


def compared_within(tables: Sequence[str], family: Family, settings: DriftConfig) -> AssetChecksDefinition:
    """Return the check of each table of a group. The schedule of the comparisons evaluates it at every tick, too."""
    assets = {family.key("drift", table): table for table in tables}

    @multi_asset_check(
        name=f"compared_within_{family.name}",
        specs=[
            AssetCheckSpec(
                COMPARED_WITHIN,
                asset=asset,
                description=f"Each window of the last {settings.days:g} days was compared as a whole within "
                f"{settings.within_days:g} days.",
            )
            for asset in assets
        ],
        can_subset=True,
        description="See in admin.comparisons whether each window was compared in time.",
    )
    def check(context: AssetCheckExecutionContext, reload: ReloadResource) -> Iterator[AssetCheckResult]:
        now = datetime.now(timezone.utc)
        windows = promised_windows(family, settings, now)
        with readable_errors():
            last = comparisons_of(reload.services.target, family, windows)
        for key in context.selected_asset_check_keys:
            passed, said, numbers = promise(family, assets[key.asset_key], windows, last, settings, now)
            yield AssetCheckResult(
                asset_key=key.asset_key, check_name=key.name, passed=passed, description=said, metadata=numbers
            )

    return check
