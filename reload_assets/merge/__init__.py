"""Merges a verified reload into production. It writes only rows that differ, and never overwrites a newer one."""

from reload_assets.merge.result import MergeResult, Outcomes
from reload_assets.merge.transaction import Patience, merge_reload

__all__ = ["MergeResult", "Outcomes", "Patience", "merge_reload"]
