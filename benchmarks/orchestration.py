"""What orchestration costs: importing the definitions, starting a run, and what a reload of a small window takes beside
waiting for DMS and CDC. ``python -m benchmarks.orchestration``

Runs are processes of their own, with Dagster's storage in PostgreSQL, on the embedded stack; ``--window 2025-01-02``
makes this module such a process. Seconds grow on a busy machine, those of CPU less so.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

# Nothing of the project is imported at the top, because a run's process would import it too.
_CHECKOUT = Path(__file__).resolve().parents[1]
_MODULE = "reload_assets.definitions"
_PACKAGES = 8
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run(imports: int = 5, windows: int = 3) -> dict[str, Any]:
    """All three measures; seconds, except the packages of ``imports``, which are in milliseconds.

    ``imports`` is the number of fresh processes that import, ``windows`` that of days that are reloaded, each in a
    process of its own; the numbers are medians over them. Raises RuntimeError where a process fails.
    """
    from reload_assets.local.stack import FIRST_DAY, Rows, Stack

    days = [FIRST_DAY + timedelta(days=number) for number in range(1, windows + 1)]
    with Stack(Rows(days=windows + 2, customers_per_day=20, orders_per_day=50)) as stack:
        imported = _imports(imports)
        reloads = []
        for day in days:
            start = datetime(day.year, day.month, day.day)
            stack.damage(start, start + timedelta(days=1), seed=7)
            stack.drain()
            reloads.append(_reload(day.isoformat()))
    return {"imports": imported, "windows": len(reloads), "window": _medians(reloads)}


def _imports(times: int) -> dict[str, Any]:
    timed = (
        f"import time; cpu, wall = time.process_time(), time.perf_counter(); import {_MODULE}; "
        "print(time.perf_counter() - wall, time.process_time() - cpu)"
    )
    measured = [[float(value) for value in _python("-c", timed).stdout.split()] for _ in range(times)]
    return {
        "processes": times,
        "seconds": statistics.median(wall for wall, _ in measured),
        "cpu_seconds": statistics.median(cpu for _, cpu in measured),
        "packages": packages(_python("-X", "importtime", "-c", f"import {_MODULE}").stderr),
    }


def packages(written: str) -> list[dict[str, Any]]:
    """Return the packages of what ``-X importtime`` has written that took longest: milliseconds in all of their own
    modules, and until ``import package`` alone was done, with everything that it imports in turn.
    """
    own: dict[str, int] = {}
    cumulative: dict[str, int] = {}
    for line in re.finditer(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", written, re.MULTILINE):
        package = line[3].split(".")[0]
        own[package] = own.get(package, 0) + int(line[1])
        if line[3] == package:
            cumulative[package] = int(line[2])
    longest = sorted(own, key=lambda package: -own[package])[:_PACKAGES]
    return [
        {"package": name, "own_ms": own[name] / 1000, "cumulative_ms": cumulative.get(name, own[name]) / 1000}
        for name in longest
    ]


def _reload(partition: str) -> dict[str, Any]:
    """One run: seconds until its first step began, until its process had ended, and those of each step."""
    began_at, began = time.time(), time.perf_counter()
    done = _python("-m", "benchmarks.orchestration", "--window", partition)
    wall = time.perf_counter() - began
    seen = json.loads(done.stdout)
    steps = {
        name: _step(end - start, cpu, [seconds for at, seconds in seen["waits"] if start <= at < end])
        for name, start, end, cpu in seen["steps"]
    }
    waited = sum(seconds for _, seconds in seen["waits"])
    return {
        "first_step": min(step[1] for step in seen["steps"]) - began_at,
        "wall": wall,
        "waited": waited,
        "own": wall - waited,
        "own_cpu": seen["cpu"],
        "between_steps": seen["steps"][-1][2] - seen["steps"][0][1] - sum(step["wall"] for step in steps.values()),
        "end": began_at + wall - seen["steps"][-1][2],
        "first_step_cpu": seen["first_step_cpu"],
        "steps": steps,
    }


def _step(wall: float, cpu: float, waits: Sequence[float]) -> dict[str, float]:
    return {"wall": wall, "waited": sum(waits), "own": wall - sum(waits), "own_cpu": cpu}


def _medians(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the same structure with the median of each number."""
    return {
        name: _medians([one[name] for one in measured])
        if isinstance(value, Mapping)
        else statistics.median(one[name] for one in measured)
        for name, value in measured[0].items()
    }


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=_CHECKOUT,
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed: {done.stderr.strip()[-2000:]}")
    return done


def _be_a_run(partition: str) -> dict[str, Any]:
    """Reload a window as a run's own process does, and say when each step began and ended and when it waited."""
    waits: list[tuple[float, float]] = []
    sleep = time.sleep

    def noted(seconds: float) -> None:
        at, began = time.time(), time.perf_counter()
        sleep(seconds)
        waits.append((at, time.perf_counter() - began))

    # Every wait for DMS and for CDC sleeps between its looks; nothing else of a run does. Before the definitions are
    # imported, because some of them take the function as a default.
    time.sleep = noted  # type: ignore[assignment]
    from dagster import DagsterEventType, DagsterInstance, EventLogEntry

    from reload_assets.definitions import defs

    began: dict[str, tuple[float, float]] = {}
    steps: list[tuple[str, float, float, float]] = []

    def note(entry: EventLogEntry) -> None:
        event, now = entry.dagster_event, (time.time(), time.process_time())
        if event is None or event.step_key is None:
            return
        if event.event_type is DagsterEventType.STEP_START:
            began[event.step_key] = now
        elif event.event_type is DagsterEventType.STEP_SUCCESS:
            at, cpu = began[event.step_key]
            steps.append((event.step_key.split(".")[-1], at, now[0], now[1] - cpu))

    run_id = str(uuid.uuid4())
    with DagsterInstance.get() as instance:
        instance.add_event_listener(run_id, note)
        defs.resolve_job_def("reload_sales").execute_in_process(
            instance=instance, partition_key=partition, run_config=_QUIET, run_id=run_id
        )
    first = min(cpu for _, cpu in began.values())
    return {"steps": steps, "waits": waits, "cpu": time.process_time(), "first_step_cpu": first}


def ratios(found: Mapping[str, Any]) -> dict[str, float | None]:
    """Seconds, not ratios: the import of the definitions, the start of a run, and our own time for a small window."""
    return {
        "import_seconds": round(found["imports"]["seconds"], 3),
        "run_start_seconds": round(found["window"]["first_step"], 3),
        "own_seconds_a_window": round(found["window"]["own"], 3),
    }


def table(found: Mapping[str, Any]) -> str:
    """Return all of it, as lines of text."""
    imports, window = found["imports"], found["window"]
    lines = [
        f"import of the definitions: {imports['seconds']:.2f} s, {imports['cpu_seconds']:.2f} s CPU "
        f"(median of {imports['processes']} processes)",
        f"  {'package':<36}{'own ms':>8}{'with its imports':>18}",
    ]
    for one in imports["packages"]:
        lines.append(f"  {one['package']:<36}{one['own_ms']:>8.0f}{one['cumulative_ms']:>18.0f}")
    lines += [
        f"start of a run, until its first step: {window['first_step']:.2f} s, {window['first_step_cpu']:.2f} s CPU "
        f"(median of {found['windows']} runs)",
        f"one small window: {window['wall']:.2f} s, of which {window['waited']:.2f} s waiting for DMS and CDC, "
        f"{window['own']:.2f} s our own ({window['own_cpu']:.2f} s CPU)",
        f"  {'step':<36}{'seconds':>8}{'waited':>9}{'own':>9}{'own CPU':>9}",
        f"  {'between the steps':<36}{window['between_steps']:>8.2f}",
        f"  {'from the last step to the end':<36}{window['end']:>8.2f}",
    ]
    for name, step in window["steps"].items():
        lines.append(
            f"  {name:<36}{step['wall']:>8.2f}{step['waited']:>9.2f}{step['own']:>9.2f}{step['own_cpu']:>9.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--window"]:
        print(json.dumps(_be_a_run(sys.argv[2])))
    else:
        print(table(run()))
