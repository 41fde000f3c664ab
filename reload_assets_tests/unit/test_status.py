"""What became of windows, as text and as a page, in the time zone in which a user thinks of them."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from reload_assets.cli.status import status_lines
from reload_assets.ledger.heatmap import heatmap_page
from reload_assets.ledger.status import TableStatus, WindowStatus

ZURICH = ZoneInfo("Europe/Zurich")
START, END = (datetime(2025, 1, day, 23, tzinfo=timezone.utc) for day in (2, 3))
TABLE = TableStatus("sales", START, END, "orders", "green", 7, 3, "")
WINDOWS = [WindowStatus("sales", TABLE.window, [TABLE])]
SHOWN = "2025-01-03T00:00:00+01:00--2025-01-04T00:00:00+01:00"


def test_a_local_day_is_shown_as_one() -> None:
    page = heatmap_page(WINDOWS, ZURICH)
    assert ">2025-01-03</text>" in page
    assert ">2025-01-04</text>" in page
    assert f"<title>{SHOWN} orders green</title>" in page
    assert "Times are those of Europe/Zurich." in page
    assert status_lines(WINDOWS, ZURICH) == [f"green   sales  {SHOWN}  reload 7  3 rows changed"]


def test_in_utc_a_window_is_shown_by_its_key() -> None:
    page = heatmap_page(WINDOWS, ZoneInfo("UTC"))
    assert ">2025-01-02</text>" in page
    assert f"<title>{TABLE.window.key} orders green</title>" in page
    assert TABLE.window.key in status_lines(WINDOWS, ZoneInfo("UTC"))[0]
