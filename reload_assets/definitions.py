"""The definitions that Dagster loads."""

from __future__ import annotations

import logging

from reload_assets.code_location import build_code_location
from reload_assets.config.model import load_config

_location = build_code_location(load_config())
for _problem in _location.left_out.values():
    logging.getLogger(__name__).error("%s The other groups are loaded without it.", _problem)

defs = _location.definitions
