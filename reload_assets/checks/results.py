"""Turns the outcomes of a verification into Dagster's asset check results."""

from __future__ import annotations

from dagster import AssetCheckResult, AssetCheckSeverity, AssetKey

from reload_assets.errors import code_of
from reload_assets.ledger.records import Reload
from reload_assets.verify.outcome import CheckOutcome


def check_result(asset: AssetKey, reload: Reload, outcome: CheckOutcome) -> AssetCheckResult:
    """Return the Dagster result of one check. "Could not verify" never passes; if it does not block, it is a warning.

    If an error stopped the check, ``code`` in the metadata is the error's code.
    """
    found = code_of(outcome.detail)
    code = {"code": found} if found and outcome.status != "passed" else {}
    blocks = outcome.blocking and outcome.status != "passed"
    return AssetCheckResult(
        asset_key=asset,
        check_name=outcome.check_name,
        passed=outcome.status == "passed",
        severity=AssetCheckSeverity.ERROR if blocks or outcome.status == "failed" else AssetCheckSeverity.WARN,
        description=outcome.detail if outcome.status != "could not verify" else f"Could not verify: {outcome.detail}",
        metadata={"status": outcome.status, "reload": reload.reload_id, **code, **outcome.facts},
    )
