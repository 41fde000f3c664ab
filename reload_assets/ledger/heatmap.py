"""A page that shows windows and tables at a glance: a heatmap for each group, in SVG without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from jinja2 import Environment

from reload_assets.ledger.status import WindowStatus
from reload_assets.windows import shown_in_zone

_CELL, _GAP = 18, 3
_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Reloaded windows</title>
<style>
  body { font: 14px system-ui, sans-serif; margin: 2em; }
  svg text { font: 12px system-ui, sans-serif; }
  .green { fill: #2da44e; } .red { fill: #cf222e; } .running { fill: #bf8700; } .unknown { fill: #d0d7de; }
</style></head>
<body>
<h1>Reloaded windows</h1>
<p>One column per window, the oldest on the left; one row per table. Green: merged and confirmed. Red: rejected, failed,
or not confirmed. Yellow: running. Grey: not part of a reload of this window. Times are those of {{ zone }}.</p>
{% for group in groups %}
<h2>{{ group.name }}</h2>
{{ group.svg }}
{% endfor %}
</body></html>
"""
_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{{ width }}" height="{{ height }}" role="img"
aria-label="Windows of {{ name }} by table">
{% for table in tables %}
<text x="0" y="{{ table.y + 13 }}">{{ table.name }}</text>
{% for cell in table.cells %}
<rect x="{{ cell.x }}" y="{{ table.y }}" width="{{ size }}" height="{{ size }}" rx="3" class="{{ cell.state }}">
<title>{{ cell.title }}</title></rect>
{% endfor %}
{% endfor %}
<text x="{{ left }}" y="{{ height - 4 }}">{{ first }}</text>
<text x="{{ width }}" y="{{ height - 4 }}" text-anchor="end">{{ last }}</text>
</svg>"""


def heatmap_page(windows: Sequence[WindowStatus], zone: ZoneInfo) -> str:
    """Return a page with one heatmap per group, window by table. Times are shown in the zone."""
    from markupsafe import Markup

    groups = [
        {"name": name, "svg": Markup(heatmap_svg(name, list(some), zone))}
        for name, some in groupby(windows, key=lambda window: window.group_name)
    ]
    return Environment(autoescape=True, trim_blocks=True).from_string(_TEMPLATE).render(groups=groups, zone=zone.key)


def heatmap_svg(group: str, windows: Sequence[WindowStatus], zone: ZoneInfo) -> str:
    """Return the heatmap of one group's windows, the newest of which come first."""
    ordered = sorted(windows, key=lambda window: (window.window.start, window.window.end))
    names = sorted({table.label for window in ordered for table in window.tables})
    left = 8 * max((len(name) for name in names), default=0) + 8
    width = max(left + len(ordered) * (_CELL + _GAP), left + 320)
    return (
        Environment(autoescape=True, trim_blocks=True)
        .from_string(_SVG)
        .render(
            name=group,
            left=left,
            width=width,
            height=len(names) * (_CELL + _GAP) + 20,
            size=_CELL,
            first=_day(ordered[0].window.start, zone) if ordered else "",
            last=_day(ordered[-1].window.end, zone) if ordered else "",
            tables=[_row(name, place, ordered, left, zone) for place, name in enumerate(names)],
        )
    )


def _day(instant: datetime, zone: ZoneInfo) -> str:
    return shown_in_zone(instant, zone).partition("T")[0]


def _row(name: str, place: int, windows: Sequence[WindowStatus], left: int, zone: ZoneInfo) -> dict[str, object]:
    cells = []
    for number, window in enumerate(windows):
        table = next((one for one in window.tables if one.label == name), None)
        state = table.state if table else "unknown"
        said = f": {table.reason}" if table and table.reason else ""
        title = f"{window.window.shown(zone)} {name} {state}{said}"
        cells.append({"x": left + number * (_CELL + _GAP), "state": state, "title": title})
    return {"name": name, "y": place * (_CELL + _GAP), "cells": cells}
