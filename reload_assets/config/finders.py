"""The section ``finders`` of ``reload.yaml``: which finders run, and what holds their requests back."""

from __future__ import annotations

from pydantic import Field

from reload_assets.config.values import Section


class HealingLimits(Section):
    """What finders may have reloaded without a person. A request beyond a limit is held until a person releases it."""

    keys_per_tick: int = Field(
        1000, ge=0, description="Keys that a finder may ask for at once; if it asks for more, all of them are held."
    )
    requests_per_tick: int = Field(
        10, ge=0, description="Requests that a finder may make at once; if it makes more, all of them are held."
    )
    keys_per_day: int = Field(10_000, ge=0, description="Keys that all finders may ask for within 24 hours.")
    windows_per_day: int = Field(10, ge=0, description="Windows that all finders may ask for within 24 hours.")
    rows_per_window: int = Field(
        100_000, ge=0, description="Rows of a table that may be wrong in a window, where the finder has counted them."
    )
    share_per_window: float = Field(
        0.2, ge=0, le=1, description="Share of a window's rows that may be wrong, where the finder has counted them."
    )


class FindersConfig(Section):
    """What notices wrong rows and asks for their reload. Each finder is off unless it is switched on here."""

    validation: bool = Field(
        False, description="Ask for the reload of keys that DMS's validation lists as failures in cdc.control_schema."
    )
    skipped: bool = Field(
        False,
        description="Ask for the reload of rows about which CDC skipped statements.",
    )
    drift: bool = Field(False, description="Compare windows with the source in turn, and ask for the reload of drift.")
    limits: HealingLimits = Field(
        default_factory=HealingLimits, description="What finders may have reloaded without a person."
    )
