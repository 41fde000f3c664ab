"""The section ``finders`` of ``reload.yaml``: which finders run, and what holds their requests back."""

from __future__ import annotations

from pydantic import Field

from reload_assets.config.values import MOST_ROWS, YEAR_SECONDS, Section


class DriftConfig(Section):
    """How windows are compared with the source in turn, and what that may cost on both sides."""

    days: float = Field(
        90, gt=0, le=36_525, description="Windows of the cadence that ended within so many days are compared in turn."
    )
    within_days: float = Field(
        7, ge=0.25, le=36_525, description="Each of these windows is compared at least once within so many days."
    )
    rows_per_second: int = Field(
        50_000,
        ge=1,
        le=MOST_ROWS,
        description="Rows that a comparison reads of either side per second, on average; it pauses.",
    )
    seconds: float = Field(
        900,
        gt=0,
        le=YEAR_SECONDS,
        description="How long the comparison of one table's window may take. Then it stops: the window is compared in "
        "part, which does not count as compared.",
    )
    keys: int = Field(
        200,
        ge=1,
        le=MOST_ROWS,
        description="Rows of a window that are asked for by key; if more drifted, the window is asked for.",
    )
    lobs: bool = Field(
        False,
        description="Compare the content of CLOB, NCLOB and BLOB, too. Both databases then read each LOB of a window.",
    )


class HealingLimits(Section):
    """What finders may have reloaded without a person. A request beyond a limit is held until a person releases it."""

    keys_per_tick: int = Field(
        1000,
        ge=0,
        le=MOST_ROWS,
        description="Keys that a finder may ask for at once; if it asks for more, all of them are held.",
    )
    requests_per_tick: int = Field(
        10,
        ge=0,
        le=MOST_ROWS,
        description="Requests that a finder may make at once; if it makes more, all of them are held.",
    )
    keys_per_day: int = Field(
        10_000, ge=0, le=MOST_ROWS, description="Keys that all finders may ask for within 24 hours."
    )
    windows_per_day: int = Field(
        10, ge=0, le=MOST_ROWS, description="Windows that all finders may ask for within 24 hours."
    )
    rows_per_window: int = Field(
        100_000,
        ge=0,
        le=MOST_ROWS,
        description="Rows of a table that may be wrong in a window, where the finder has counted them.",
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
    drift: DriftConfig | None = Field(
        None,
        description="Compare windows with the source in turn, and ask for the reload of drift; off without the "
        "section. It needs source.connection.",
    )
    limits: HealingLimits = Field(
        default_factory=HealingLimits, description="What finders may have reloaded without a person."
    )
