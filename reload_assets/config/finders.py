"""The section ``finders`` of ``reload.yaml``: which finders run, and what holds their requests back."""

from __future__ import annotations

from pydantic import Field

from reload_assets.config.values import Section


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
