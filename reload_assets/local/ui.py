"""``make ui``: the Dagster UI on the embedded stack, with a source that keeps changing, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reload_assets.config.model import PATH_VARIABLE
from reload_assets.local.postgres import free_port
from reload_assets.local.stack import FIRST_DAY, Stack, checkout_file, last_days
from reload_assets.local.traffic import PER_SECOND, Traffic

DAYS = 5
# The last one is for the terminal: two reloads of one window at a time would be refused.
DAMAGED_DAYS = range(1, 4)
_DEFAULT_PORT = 3000
_START_TIMEOUT_SECONDS = 120

# Only the last day, which is whole, is compared by the clock: the damaged ones are for README's steps.
_FINDERS = """
finders:
  validation: true
  skipped: true
  drift: {days: 1, within_days: 1}
"""

_START_SCHEDULE = """
mutation($name: String!) { startSchedule(scheduleSelector: {scheduleName: $name, repositoryName: "__repository__",
  repositoryLocationName: "reload_assets"}) { __typename ... on PythonError { message } } }"""
_START_SENSOR = """
mutation($name: String!) { startSensor(sensorSelector: {sensorName: $name, repositoryName: "__repository__",
  repositoryLocationName: "reload_assets"}) { __typename ... on PythonError { message } } }"""


def main() -> int:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="make ui", description=__doc__)
    parser.add_argument("--port", type=int, help="port of the UI (default: 3000 if it is free; 0: any free one)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell starts what it puts into the background with SIGINT ignored, and Dagster would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("Starting PostgreSQL, the DMS stand-in and Dagster ...", flush=True)
    with Stack(last_days(DAYS)) as stack, _traffic(stack) as traffic:
        _configure(stack)
        _damage(stack)
        unannounced = _lose_a_change(stack)
        port = _port(options.port)
        server = _start_dagster(stack, port)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(server, url, stack.root / "dagster.log")
            _switch_on(url)
            _welcome(stack, url, unannounced)
            _watch(server, traffic)
            print(f"Dagster stopped by itself; see {stack.root / 'dagster.log'}.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopping ...", flush=True)
            return 0
        finally:
            _stop(server)


def _welcome(stack: Stack, url: str, unannounced: int) -> None:
    """Print what a newcomer needs for README's steps, which use the same words. Each line can be copied as it is.

    ``unannounced`` is the order that is wrong without anybody having said so.
    """
    first, *_, last, one_more = (_bounds(stack, day)[0].date() for day in DAMAGED_DAYS)
    command = f"reload-assets reload sales --from {one_more} --to {one_more + timedelta(days=1)}"
    lines = [
        f"Dagster UI: {url}",
        f"  damaged days in production: [{first}...{last}] and {one_more}",
        f"  the job that reloads days: {url}/locations/reload_assets/jobs/reload_sales",
        f"  the days of production/orders: {url}/assets/production/orders?view=partitions",
        f"  {one_more}, from a second terminal:",
        f"    . {shlex.quote(str(write_environment(stack)))} && {command}",
        f"  CDC lost a change of order {unannounced}, and nobody said so; a finder reloads it within two minutes:",
        f"    {url}/assets/keys/production/orders?view=partitions",
        f"  about {PER_SECOND} transactions a second change the source, those days too; CDC follows",
        f"  psql {stack.postgres.url('target')}",
        f"  DMS stand-in: {stack.dms.url}",
        f"  log: {stack.root / 'dagster.log'}",
        "Ctrl-C stops everything.",
    ]
    print("\n".join(lines), flush=True)


def write_environment(stack: Stack) -> Path:
    """Write the variables with which commands in a shell use the stack into a file. Returns the file."""
    file = stack.root / "environment"
    # It holds passwords.
    file.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in stack.environment.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _configure(stack: Stack) -> None:
    """Let the windows begin with the sample data, so that dialogs show these days and no others; switch on finders."""
    written = checkout_file("reload.yaml").read_text(encoding="utf-8")
    file = stack.root / "reload.yaml"
    begun = written.replace(f"first: {FIRST_DAY}", f"first: {stack.rows.first_day}")
    file.write_text(f"{begun}\n{_FINDERS}", encoding="utf-8")
    stack.environment[PATH_VARIABLE] = str(file)


def _lose_a_change(stack: Stack) -> int:
    """Let production refuse a change that CDC carries, of an order of the first day, and then take such rows again.

    Returns the order.
    """
    start, end = _bounds(stack, 0)
    with stack.connect_source() as source, stack.connect_target() as target:
        target.execute(
            "ALTER TABLE production.orders ADD CONSTRAINT no_large_order CHECK (amount < 90000000) NOT VALID"
        )
        rows = source.execute(
            'UPDATE "SALES"."ORDERS" SET "AMOUNT" = 95000000 WHERE "ORDER_ID" = (SELECT min("ORDER_ID") '
            'FROM "SALES"."ORDERS" WHERE "UPDATED_AT" >= %s AND "UPDATED_AT" < %s) RETURNING "ORDER_ID"::bigint',
            (start, end),
        ).fetchall()
        stack.drain()
        target.execute("ALTER TABLE production.orders DROP CONSTRAINT no_large_order")
    ((order,),) = rows
    return int(order)


def _traffic(stack: Stack) -> Traffic:
    start, _ = _bounds(stack, DAMAGED_DAYS[0])
    _, end = _bounds(stack, DAMAGED_DAYS[-1])
    return Traffic(stack.postgres.url("source"), start, end, seed=7)


def _damage(stack: Stack) -> None:
    for day in DAMAGED_DAYS:
        stack.damage(*_bounds(stack, day), seed=day)


def _bounds(stack: Stack, day: int) -> tuple[datetime, datetime]:
    start = datetime.combine(stack.rows.first_day + timedelta(days=day), datetime.min.time())
    return start, start + timedelta(days=1)


def _watch(server: subprocess.Popen[bytes], traffic: Traffic) -> None:
    """Wait for Dagster to end. Raises RuntimeError where the traffic ends first."""
    while server.poll() is None:
        traffic.require_alive()
        time.sleep(0.5)


def _start_dagster(stack: Stack, port: int) -> subprocess.Popen[bytes]:
    workspace = checkout_file("workspace.yaml")
    keeper = [sys.executable, "-m", "reload_assets.local.keeper"]
    dagster = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    with Path(stack.root / "dagster.log").open("wb") as log:
        return subprocess.Popen(
            keeper + dagster,
            cwd=workspace.parent,
            env={**os.environ, **stack.environment},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Ctrl-C in the terminal is for this process, which stops Dagster.
            start_new_session=True,
        )


def _wait_until_up(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"Dagster did not start:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            answer = graphql(url, "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
            if answer["repositoriesOrError"].get("nodes"):
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise SystemExit(f"Dagster was not up after {_START_TIMEOUT_SECONDS} s:\n{log.read_text(errors='replace')[-3000:]}")


def _switch_on(url: str) -> None:
    """Schedules and sensors are off by default; here they are meant to be seen at work."""
    for mutation, name in (
        (_START_SCHEDULE, "reload_sales_nightly"),
        (_START_SCHEDULE, "drop_expired_staging_daily"),
        (_START_SENSOR, "reload_requests"),
    ):
        graphql(url, mutation, name=name)


def graphql(url: str, query: str, **variables: Any) -> dict[str, Any]:
    """Return what the UI's server answers to a GraphQL document. Raises RuntimeError for an error answer."""
    request = urllib.request.Request(
        f"{url}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"GraphQL: {error.read().decode(errors='replace')[:2000]}") from None
    if answer.get("errors"):
        raise RuntimeError(f"GraphQL: {answer['errors']}")
    data: dict[str, Any] = answer["data"]
    for field, value in data.items():
        if isinstance(value, dict) and value.get("__typename", "").endswith("Error"):
            raise RuntimeError(f"GraphQL: {field}: {value}")
    return data


def _port(wanted: int | None) -> int:
    """Return the port asked for, or the usual one unless somebody has it."""
    if wanted:
        return wanted
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", _DEFAULT_PORT if wanted is None else 0))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Let the keeper end Dagster and all that it started."""
    assert server.stdin
    server.stdin.close()
    server.wait()


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
