"""Orders versions by their canonical text."""

from __future__ import annotations

from decimal import Decimal

from reload_assets.canonical.oracle_types import Kind

_BEFORE_CHRIST = " BC"


def is_later(left: str | None, right: str | None, kind: Kind) -> bool:
    """Return whether the left version is later; False if one of them is NULL. Both are canonical text."""
    if left is None or right is None:
        return False
    if kind in ("number", "bare"):
        return Decimal(left) > Decimal(right)
    if kind in ("date", "timestamp"):
        return _moment(left) > _moment(right)
    # By code points, as Oracle compares text by default.
    return left > right


def _moment(text: str) -> tuple[int, str]:
    """Return a value that sorts as the time does, since years before Christ count backwards."""
    if text in ("infinity", "-infinity"):
        return (2, "") if text == "infinity" else (-10_000, "")
    if text.endswith(_BEFORE_CHRIST):
        year, _, rest = text.removesuffix(_BEFORE_CHRIST).partition("-")
        return -int(year), rest
    return 1, text
