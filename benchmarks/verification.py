"""Measures comparing a window with the source, and looking for drift in it, against counting and reading its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from benchmarks.both_sides import START, BothSides, configuration, until
from benchmarks.orders import GROUP
from benchmarks.servers import installations, started
from benchmarks.statements import run as execute
from reload_assets.compare.drift import find_drift
from reload_assets.compare.pace import Pace
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.window_matches_source import compare_with_source

_DIFFERENT = 100
_NO_PAUSES, _NO_END = 1e12, 3600.0
_COUNT = 'SELECT count(*) FROM "SALES"."ORDERS" WHERE "UPDATED_AT" >= \'2025-01-01\''
_COUNT_PRODUCTION = "SELECT count(*) FROM production.orders WHERE updated_at >= '2025-01-01'"
_READ = 'COPY (SELECT * FROM "SALES"."ORDERS" WHERE "UPDATED_AT" >= \'2025-01-01\') TO STDOUT'
_READ_PRODUCTION = "COPY (SELECT * FROM production.orders WHERE updated_at >= '2025-01-01') TO STDOUT"


class _Bench:
    def __init__(self, server: PostgresServer, rows: int) -> None:
        self._sides = BothSides(server, rows)
        self._bounds = (START, until(rows))
        self.source, self.target = self._sides.source, self._sides.target
        self.reader = self._sides.reader()
        self.table: ReloadTable = resolve_group(group_tables(configuration(), GROUP), self.target, self.reader)[0]

    def close(self) -> None:
        self.reader.close()
        self._sides.close()

    def count(self) -> str:
        """Count the window's rows on both sides."""
        counts = [self.source.execute(_COUNT).fetchone(), self.target.execute(_COUNT_PRODUCTION).fetchone()]
        return "passed" if counts[0] == counts[1] else "failed"

    def read(self) -> str:
        """Read every row of the window once, on both sides, and throw it away."""
        for connection, statement in ((self.source, _READ), (self.target, _READ_PRODUCTION)):
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                while copy.read():
                    pass
        return "passed"

    def compare(self) -> str:
        """Return the check window_matches_source."""
        return compare_with_source("window", self.target, self.table, self._bounds, self.reader, None).status

    def look_for_drift(self) -> str:
        """Look for drift in the window, as fast as it goes."""
        pace = Pace(rows_per_second=_NO_PAUSES, seconds=_NO_END)
        found = find_drift(self.target, self.table, self._bounds, self.reader, None, pace, keys=_DIFFERENT)
        return "failed" if found.drifted else "passed"


def run(rows: int, repetitions: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of each way on a window of so many rows, interleaved; last with some rows that differ. JSON-able.

    Raises RuntimeError where the comparison does not find what there is.
    """
    with started(installations()["embedded"]) as server:
        bench = _Bench(server, rows)
        ways = {
            "count both sides": bench.count,
            "read both sides": bench.read,
            "compare content": bench.compare,
            "look for drift": bench.look_for_drift,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repetitions):
            for name, way in ways.items():
                seconds[name].append(_timed(name, way, "passed", say))
        execute(bench.target, "spoil_content", every=max(1, rows // _DIFFERENT))
        for what in ("compare content", "look for drift"):
            name = f"{what}, {_DIFFERENT} rows differ"
            seconds[name] = [_timed(name, ways[what], "failed", say) for _ in range(repetitions)]
        bench.close()
    return {"rows": rows, "seconds": seconds}


def ratios(found: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the cost of comparing, and of looking for drift, in counts of both sides and in reads of both sides."""
    medians = {name: median(values) for name, values in found["seconds"].items()}
    count, read, compare, drift, differ, drifted = medians.values()
    return {
        "verify_vs_count": round(compare / count, 3),
        "verify_vs_read": round(compare / read, 3),
        "verify_different_vs_same": round(differ / compare, 3),
        "drift_vs_read": round(drift / read, 3),
        "drift_seconds_per_million_rows": round(drift * 1e6 / found["rows"], 3),
        "drift_different_vs_same": round(drifted / drift, 3),
    }


def table(found: Mapping[str, Any]) -> str:
    """Return the medians, one a line."""
    lines = [f"content of a window of {found['rows']} rows, seconds: median (min - max)"]
    for name, values in found["seconds"].items():
        lines.append(f"{name:36}{median(values):7.2f} ({min(values):.2f} - {max(values):.2f})")
    return "\n".join(lines)


def _timed(name: str, way: Callable[[], str], expected: str, say: Callable[[str], None]) -> float:
    began = time.perf_counter()
    status = way()
    seconds = time.perf_counter() - began
    if status != expected:
        raise RuntimeError(f"{name}: {status}, where {expected} was right")
    say(f"verification: {name} {seconds:.2f} s")
    return seconds
