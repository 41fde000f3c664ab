"""The chart of the README: how long each way to merge takes, and how long CDC waits for it."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.report import Measured, p99_ms
from benchmarks.strategies import STRATEGIES

_OURS, _OTHERS, _LIMIT = "#1f6feb", "#9aa4b2", "#d0d7de"


def draw(plain: Measured, beside: Measured, file: Path) -> None:
    """Write the SVG. Strategies that fail beside CDC have no bar there, and say so."""
    import matplotlib

    # The same figures give the same file.
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "reload_assets", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    names = [name for name in STRATEGIES if plain.of(name)]
    titles = [STRATEGIES[name].title for name in names]
    colours = [_OURS if STRATEGIES[name].ours else _LIMIT if name == "limit" else _OTHERS for name in names]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    medians = [median(run.seconds for run in plain.of(name)) for name in names]
    left.barh(titles, medians, color=colours)
    left.set_title(f"seconds to merge ({plain.case})", fontsize=9)
    for place, (name, value) in enumerate(zip(names, medians, strict=True)):
        wrong = any(run.wrong for run in plain.of(name))
        left.text(value, place, f" {value:.2f}{', overwrites newer rows' if wrong else ''}", va="center", fontsize=8)
    left.set_xlim(0, max(medians) * 1.6)
    waits = [p99_ms(beside.of(name)) if beside.seconds(name) else None for name in names]
    right.barh(titles, [value or 0 for value in waits], color=colours)
    right.set_xscale("log")
    right.set_xlim(1, 10 * max(value or 0 for value in waits))
    right.set_title("CDC's delay beside it: 99th percentile, ms (log)", fontsize=9)
    for place, (name, wait) in enumerate(zip(names, waits, strict=True)):
        right.text(wait or 1, place, f" {wait:.0f}" if wait else f" {_why(beside, name)}", va="center", fontsize=8)
    left.invert_yaxis()
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def _why(beside: Measured, name: str) -> str:
    errors = sorted({run.error for run in beside.of(name) if run.error})
    return f"fails: {', '.join(errors)}" if errors else "not measured"
