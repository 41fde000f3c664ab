"""Confirm: after the commit of a merge the source is read again, and what CDC had passed by then is corrected.

The algorithm and the argument for it are in ``docs/correctness.md``.
"""

from reload_assets.confirm.loop import Confirmed, Confirmer

__all__ = ["Confirmed", "Confirmer"]
