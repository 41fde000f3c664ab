"""The chart of a materialization: the staged rows by outcome, before and after."""

from __future__ import annotations

from reload_assets.assets.metadata import OUTCOMES, outcome_chart


def chart(**counts: int) -> dict[str, str]:
    """The lines of a chart by their first word."""
    text = outcome_chart({**dict.fromkeys(OUTCOMES, 0), **counts})
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("```", "```")
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:-1]}


def test_bars_show_shares_and_what_was_fixed() -> None:
    found = chart(inserted=10, updated=20, repaired=10, identical=40, refused=10, unversioned=10)
    assert found["before"] == "█" * 9 + "░" * 9 + " 50 of 100 as staged or newer"
    assert found["after"] == "█" * 16 + "░" * 2 + " 90 of 100 as staged or newer"
    assert found["inserted"] == "█" * 2 + "░" * 16 + " 10"
    assert "skipped" not in found


def test_one_row_of_many_can_be_seen_and_no_rows_are_no_mistake() -> None:
    assert chart(inserted=1, identical=1_000_000)["inserted"].startswith("█░")
    assert set(chart()) == {"before", "after"}
