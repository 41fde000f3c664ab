"""The merge of a verified reload into production: one transaction, only rows that differ, never over a newer one."""

from reload_assets.merge.outcomes import MergeResult, Outcomes
from reload_assets.merge.run import merge_reload

__all__ = ["MergeResult", "Outcomes", "merge_reload"]
