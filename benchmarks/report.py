"""The table of a benchmark, its ratios, and what is kept of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from benchmarks.merges import Run
from benchmarks.orders import Case
from benchmarks.sizes import Size
from benchmarks.strategies import STRATEGIES


@dataclass(frozen=True)
class Measured:
    """The runs of one part on one server."""

    server: str
    case: Case
    beside_cdc: bool
    runs: Sequence[Run]

    def of(self, strategy: str) -> list[Run]:
        """Return the repetitions of one strategy."""
        return [run for run in self.runs if run.strategy == strategy]

    def seconds(self, strategy: str) -> float | None:
        """Return the median; None where it was not measured or did not succeed each time."""
        runs = self.of(strategy)
        return median(run.seconds for run in runs) if runs and not any(run.error for run in runs) else None


def ratios(measured: Iterable[Measured], size: Size, server: str) -> dict[str, float | None]:
    """Return the figures that the project wants to keep, from the first server."""
    plain = {one.case: one for one in measured if one.server == server and not one.beside_cdc}
    beside = {one.case: one for one in measured if one.server == server and one.beside_cdc}
    main = plain[size.main]
    cdc = beside[size.main]
    first, last = (plain[case].seconds("atomic") for case in size.growth_production)
    few, many = (plain[case].seconds("atomic") for case in size.growth_window)
    few_rows, many_rows = (case.window for case in size.growth_window)
    return {
        "merge_vs_seed": _over(main.seconds("atomic"), main.seconds("seed")),
        "merge_vs_limit": _over(main.seconds("atomic"), main.seconds("limit")),
        "merge_vs_floor": _over(main.seconds("atomic"), main.seconds("floor")),
        "floor_vs_limit": _over(main.seconds("floor"), main.seconds("limit")),
        "chunked_vs_seed": _over(main.seconds("chunked"), main.seconds("seed")),
        "chunked_cdc_p99_ms": p99_ms(cdc.of("chunked")),
        "atomic_cdc_p99_ms": p99_ms(cdc.of("atomic")),
        "seed_cdc_p99_ms": p99_ms(cdc.of("seed")),
        "growth_production": _over(last, first),
        "growth_window": _over(many and many / many_rows, few and few / few_rows),
    }


def faults(measured: Iterable[Measured]) -> list[str]:
    """Return what ours did wrong: errors of its own or of CDC, deadlocks, rows that are not as they should be."""
    found = []
    for one in measured:
        for run in one.runs:
            bad = {"error": run.error, "CDC's errors": run.cdc_errors, "deadlocks": run.deadlocks, "wrong": run.wrong}
            if STRATEGIES[run.strategy].ours and any(bad.values()):
                said = ", ".join(f"{name} {value}" for name, value in bad.items() if value)
                found.append(f"{one.server}, {one.case}: {STRATEGIES[run.strategy].title}: {said}")
    return found


def table(measured: Iterable[Measured]) -> str:
    """Return all parts, one below the other, in monospace."""
    blocks = []
    for one in measured:
        head = f"{one.server}: production / window {one.case}{', beside CDC' if one.beside_cdc else ''}"
        blocks.append("\n".join([head, *_lines(_cells(one))]))
    return "\n\n".join(blocks)


def _cells(one: Measured) -> list[list[str]]:
    columns = ["merge", "median s", "min", "max", "vs limit", "vs seed", "WAL MB", "dead rows"]
    if one.beside_cdc:
        columns += ["CDC tx", "p50 ms", "p99 ms", "max ms", "lock waits", "CDC errors"]
    columns.append("result")
    rows = [columns]
    by_strategy: dict[str, list[Run]] = defaultdict(list)
    for run in one.runs:
        by_strategy[run.strategy].append(run)
    for name, runs in by_strategy.items():
        seconds = [run.seconds for run in runs]
        row = [STRATEGIES[name].title, *(f"{value:.2f}" for value in (median(seconds), min(seconds), max(seconds)))]
        row += [_ratio(one.seconds(name), one.seconds(other)) for other in ("limit", "seed")]
        row += [f"{median(run.wal_bytes for run in runs) / 1e6:.0f}", f"{median(run.dead_rows for run in runs):.0f}"]
        if one.beside_cdc:
            row += _cdc_cells(runs)
        row.append(_result(runs))
        rows.append(row)
    return rows


def _cdc_cells(runs: Sequence[Run]) -> list[str]:
    every = sorted(1000 * value for run in runs for value in run.cdc_seconds)
    return [
        str(len(every)),
        f"{median(every):.1f}" if every else "-",
        f"{p99_ms(runs) or 0:.0f}",
        f"{every[-1]:.0f}" if every else "-",
        str(sum(run.lock_waits for run in runs)),
        ", ".join(f"{count} x {state}" for state, count in _cdc_errors(runs).items()) or "0",
    ]


def _result(runs: Sequence[Run]) -> str:
    errors = sorted({run.error for run in runs if run.error})
    if errors:
        return f"{sum(bool(run.error) for run in runs)} of {len(runs)} failed: {', '.join(errors)}"
    wrong: dict[str, int] = {}
    for run in runs:
        for kind, count in run.wrong.items():
            wrong[kind] = max(count, wrong.get(kind, 0))
    if wrong:
        return "wrong: " + ", ".join(f"{count} rows {kind}" for kind, count in wrong.items())
    return "right"


def overview(plain: Measured, beside: Measured) -> str:
    """Both parts of one case in a Markdown table: how long each way takes, and what it does to CDC."""
    lines = [
        f"| {plain.case} | seconds | to update + insert | WAL MB | CDC's delay, p99 (max) ms | beside CDC |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name in dict.fromkeys(run.strategy for run in plain.runs):
        runs, cdc = plain.of(name), beside.of(name)
        delay = f"{p99_ms(cdc):.0f} ({1000 * max(max(run.cdc_seconds) for run in cdc):.0f})" if cdc else ""
        cells = [
            STRATEGIES[name].title,
            f"{median(run.seconds for run in runs):.2f}",
            _ratio(plain.seconds(name), plain.seconds("seed")),
            f"{median(run.wal_bytes for run in runs) / 1e6:.0f}",
            delay,
            _beside(cdc) if cdc else _result(runs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _beside(runs: Sequence[Run]) -> str:
    lost = [
        f"CDC loses {count} transaction{'s' if count > 1 else ''} ({state})"
        for state, count in _cdc_errors(runs).items()
    ]
    result = _result(runs)
    return "; ".join(([] if result == "right" else [result]) + lost) or "nothing lost"


def _cdc_errors(runs: Sequence[Run]) -> Counter[str]:
    return sum((Counter(run.cdc_errors) for run in runs), Counter())


def p99_ms(runs: Sequence[Run]) -> float | None:
    """Return the 99th percentile of CDC's transactions in milliseconds: the median of the repetitions' own."""
    each = [quantiles(run.cdc_seconds, n=100)[-1] for run in runs if len(run.cdc_seconds) > 1]
    return round(1000 * median(each), 1) if each else None


def as_json(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    """Return every repetition of every part. CDC's transactions as percentiles, as there are thousands."""
    return [
        {
            "server": one.server,
            **asdict(one.case),
            "beside_cdc": one.beside_cdc,
            "runs": [_run_as_json(run) for run in one.runs],
        }
        for one in measured
    ]


def _run_as_json(run: Run) -> dict[str, Any]:
    found = asdict(run)
    seconds = sorted(found.pop("cdc_seconds"))
    found["seconds"] = round(run.seconds, 4)
    if seconds:
        found["cdc_transactions"] = len(seconds)
        found["cdc_p50_ms"] = round(1000 * median(seconds), 2)
        found["cdc_p99_ms"] = p99_ms([run])
        found["cdc_max_ms"] = round(1000 * seconds[-1], 2)
    return found


def _over(dividend: float | None, divisor: float | None) -> float | None:
    return round(dividend / divisor, 3) if dividend and divisor else None


def _ratio(dividend: float | None, divisor: float | None) -> str:
    found = _over(dividend, divisor)
    return f"{found:.2f}" if found else "-"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    # Words to the left, numbers to the right.
    left = {0, len(widths) - 1}
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def summary(values: Mapping[str, float | None]) -> str:
    """Return the ratios, one a line."""
    width = max(map(len, values))
    return "\n".join(f"{name.ljust(width)}  {'-' if value is None else f'{value:g}'}" for name, value in values.items())
