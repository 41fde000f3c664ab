"""``python -m benchmarks``: measures everything in one run, prints the tables and saves the figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import chart, load, orchestration, repair, report, verification
from benchmarks.merges import measure
from benchmarks.orders import Cases
from benchmarks.report import Measured
from benchmarks.servers import installations, started
from benchmarks.sizes import SIZES, Part, Size
from benchmarks.strategies import warm_up

RESULTS = Path(__file__).with_name("results")
_PARTS = ("merges", "verification", "repair", "load", "orchestration")
_PACKAGES = ("dagster", "psycopg", "dlt", "great-expectations")


def main() -> int:
    """Run the benchmarks. Returns 1 if ours did something wrong; a bad ratio is only shown and does not fail."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="default", help="how much is measured (default)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for latest.json and the chart")
    parser.add_argument("--only", choices=_PARTS, help="one part")
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    began = time.monotonic()
    found: dict[str, Any] = {"size": arguments.size, "machine": _machine(), "versions": {}, "ratios": {}}

    def wanted(part: str) -> bool:
        return arguments.only in (None, part)

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text}", file=sys.stderr, flush=True)

    wrong: list[str] = []
    if wanted("merges"):
        measured = _merges(size, found, say)
        wrong = report.faults(measured)
        first = measured[0].server
        found["ratios"] |= report.ratios(measured, size, first)
        found["merges"] = report.as_json(measured)
        print(report.table(measured))
        plain, beside = (one for one in measured if one.server == first and one.case == size.main)
        print(f"\n{report.overview(plain, beside)}")
        chart.draw(plain, beside, arguments.output / "merge.svg")
    if wanted("verification"):
        found["verification"] = verification.run(size.verified, size.repetitions, say)
        print(f"\n{verification.table(found['verification'])}")
        found["ratios"] |= verification.ratios(found["verification"])
    if wanted("repair"):
        say(f"repair: {size.repaired[0]} rows on both sides")
        found["repair"] = repair.run(*size.repaired, size.repetitions, say)
        print(f"\n{repair.table(found['repair'])}")
        found["ratios"] |= repair.ratios(found["repair"])
    if wanted("load"):
        say(f"load: {size.loaded} rows")
        found["load"] = load.run(size.loaded, size.repetitions)
        print(f"\n{load.table(found['load'])}")
        found["ratios"] |= load.ratios(found["load"])
    if wanted("orchestration"):
        say("orchestration")
        found["orchestration"] = orchestration.run(size.repetitions, size.reloaded)
        print(f"\n{orchestration.table(found['orchestration'])}")
        found["ratios"] |= orchestration.ratios(found["orchestration"])
    found["seconds"] = round(time.monotonic() - began, 1)
    print(f"\n{report.summary(found['ratios'])}\n\n{found['seconds']:g} s")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "latest.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for fault in wrong:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if wrong else 0


def _merges(size: Size, found: dict[str, Any], say: Any) -> list[Measured]:
    warm_up()
    measured: list[Measured] = []
    for number, (name, binaries) in enumerate(installations().items()):
        parts: list[Part] = list(size.second if number else size.parts)
        with started(binaries) as server:
            with psycopg.connect(server.url()) as connection:
                title = f"PostgreSQL {connection.info.server_version // 10_000} ({name})"
                found["versions"][title] = connection.info.parameter_status("server_version")
            cases = Cases(server)
            production = 0
            for part in parts:
                if production and part.case.production != production:
                    cases.forget(production)
                production = part.case.production
                runs = measure(cases, part.case, part.strategies, size.repetitions, say, beside_cdc=part.beside_cdc)
                measured.append(Measured(title, part.case, part.beside_cdc, runs))
            cases.close()
    return measured


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


if __name__ == "__main__":
    sys.exit(main())
