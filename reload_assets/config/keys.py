"""The section ``keys`` of ``reload.yaml``: reloads of lists of keys."""

from __future__ import annotations

from pydantic import Field

from reload_assets.config.values import Section


class KeysConfig(Section):
    """How lists of keys are reloaded."""

    most: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="Longest list of keys of a table that is reloaded by key. A longer one becomes reloads of the "
        "windows that hold the keys.",
    )
