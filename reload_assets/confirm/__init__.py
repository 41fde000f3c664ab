"""Confirms a merge: reads the source again after the commit, and corrects what CDC has already passed.

The algorithm and the argument for it are in ``docs/correctness.md``.
"""

from reload_assets.confirm.loop import Confirmed, Confirmer

__all__ = ["Confirmed", "Confirmer"]
