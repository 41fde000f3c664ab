"""Measures the repair of some rows by their keys, against reloading the window that holds them.

Both are whole reloads with all their steps, beside a CDC task, of the same damaged rows. What DMS itself takes to make
and start a task, which is minutes, is not in the figures: the stand-in does it at once. Only the window needs a task.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from statistics import median
from typing import Any

from benchmarks.both_sides import ORDERS, SCHEMA, START, BothSides, configuration, until
from benchmarks.orders import GROUP, TABLE
from benchmarks.servers import installations, started
from benchmarks.statements import run as execute
from reload_assets.cdc.position import Cdc
from reload_assets.dms.client import dms_client
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.tasks import LoadTasks
from reload_assets.errors.cdc import CdcStatusMissing
from reload_assets.ledger.install import install
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import CheckResult, Opening
from reload_assets.local.account import CONTROL_SCHEMA, REGION, Account, Login
from reload_assets.local.dms import DmsStandIn
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.load import Load
from reload_assets.reload.publish import Publication
from reload_assets.verify.staging import staging_checks, verify_staging
from reload_assets.windows import Window

_LIMITS = PollLimits(
    interval=0.02, max_interval=0.1, ready_timeout=60, load_timeout=600, remove_timeout=60, call_attempts=6
)
_AT_ONCE = 0.02
_BEGINS_SECONDS = 30
BY_KEYS, BY_WINDOW = "by their keys", "by their window"


class _Bench:
    """The filled sides, a CDC task between them, and the steps of a reload; ``keys`` lie evenly over the window."""

    def __init__(self, server: PostgresServer, dms: DmsStandIn, sides: BothSides, window: int, keys: int) -> None:
        self._sides = sides
        # Not only even keys, which would all be missing.
        self.keys = [1 + number * window // keys + number % 2 for number in range(keys)]
        start, end = (instant.replace(tzinfo=timezone.utc) for instant in (START, until(window)))
        self._window = Window(start, end)
        login = Login(server.superuser, server.password)
        account = Account(dms.url, server.port, source=login, target=login)
        task = account.start_cdc(SCHEMA, [ORDERS.name], "production")
        self._config = configuration(
            dms={
                "replication_instance_arn": account.instance,
                "source_endpoint_arn": account.source,
                "target_endpoint_arn": account.target,
            },
            cdc={"task_arn": task.arn, "control_schema": CONTROL_SCHEMA, "margin_seconds": 0},
        )
        assert self._config.cdc is not None
        install(sides.target, self._config.target)
        self._target = TargetDatabase("127.0.0.1", server.port, "target", server.superuser, server.password)
        self._ledger = Ledger(self._target)
        client = dms_client(region=REGION, endpoint_url=dms.url, access_key_id="local", secret_access_key="local")
        parts: dict[str, Any] = {
            "config": self._config,
            "target": self._target,
            "ledger": self._ledger,
            "tasks": LoadTasks(client, _LIMITS),
            "cdc": Cdc(self._config.cdc, task, self._target, lambda: False, _quietly),
            "open_source": sides.reader,
            "say": _quietly,
        }
        self._load, self._publication = Load(**parts), Publication(**parts)
        with sides.reader() as reader:
            _wait_passed(parts["cdc"], reader.now())

    def by_keys(self) -> None:
        """Reload the keys."""
        keys = {TABLE: [(str(key),) for key in self.keys]}
        name = f"keys-{uuid.uuid4()}"
        self._reload(Opening(GROUP, None, None, name, "bench", "", "run", None, keys))

    def by_window(self) -> None:
        """Reload the window."""
        window = self._window
        self._reload(Opening(GROUP, window, window, window.key, "bench", "", "run", None))

    def spoil(self) -> None:
        """Damage the rows, half of them by removing them."""
        execute(self._sides.target, "spoil_keys", keys=self.keys)

    def require_right(self) -> None:
        """Raise RuntimeError unless production has every row as it was."""
        row = execute(self._sides.target, "count_right", keys=self.keys).fetchone()
        if row != (len(self.keys),):
            raise RuntimeError(f"{row} of {len(self.keys)} rows are right after a reload")

    def _reload(self, opening: Opening) -> None:
        load, ledger = self._load, self._ledger
        number = load.open(opening, [TABLE], run_is_live=lambda run_id: True).reload_id
        load.create_task(ledger.get(number))
        load.start_task(ledger.get(number))
        load.wait(ledger.get(number), lambda progress: None)
        load.drop_task(ledger.get(number))
        tables = list(load.finish(ledger.get(number)).values())
        self._verify(number, tables)
        self._publication.merge(ledger.get(number), tables)
        confirmed = self._publication.confirm(ledger.get(number), tables)
        if not confirmed.settled:
            raise RuntimeError(confirmed.detail)

    def _verify(self, number: int, tables: list[Any]) -> None:
        reload, staged = self._ledger.get(number), self._ledger.tables(number)
        with self._sides.reader() as reader:
            for table in tables:
                outcomes = verify_staging(
                    self._target,
                    self._config.source.zone,
                    reload,
                    table,
                    staged[table.name],
                    lob_limit_kb=self._config.dms.task.lob_limit_kb,
                    source_configured=True,
                    checks=staging_checks(reload),
                    reader=reader,
                )
                results = [
                    CheckResult(table.name, one.check_name, one.status, one.blocking, one.detail) for one in outcomes
                ]
                self._ledger.record_checks(number, table.name, results)


def run(production: int, window: int, repetitions: int, say: Callable[[str], None], keys: int = 100) -> dict[str, Any]:
    """Seconds of each way to repair so many ``keys``, interleaved. JSON-able. All numbers are of rows.

    Raises RuntimeError if a reload does not repair the rows, and what its steps raise.
    """
    with _bench(production, window, keys) as bench:
        ways = {BY_KEYS: bench.by_keys, BY_WINDOW: bench.by_window}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        # The first reload of a process also imports what later ones have.
        bench.by_keys()
        for _ in range(repetitions):
            for name, way in ways.items():
                bench.spoil()
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
                bench.require_right()
                say(f"repair: {name} {seconds[name][-1]:.2f} s")
    return {"production": production, "window": window, "keys": keys, "seconds": seconds}


def ratios(found: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what the repair by keys takes, in repairs by the window."""
    medians = {name: median(values) for name, values in found["seconds"].items()}
    return {"repair_keys_vs_window": round(medians[BY_KEYS] / medians[BY_WINDOW], 3)}


def table(found: Mapping[str, Any]) -> str:
    """Return the medians, one a line."""
    lines = [
        f"repair of {found['keys']} keys out of {found['production']} rows, in a window of {found['window']}, seconds: "
        "median (min - max)"
    ]
    for name, values in found["seconds"].items():
        lines.append(f"{name:36}{median(values):7.2f} ({min(values):.2f} - {max(values):.2f})")
    return "\n".join(lines)


@contextmanager
def _bench(production: int, window: int, keys: int) -> Iterator[_Bench]:
    with started(installations()["embedded"]) as server:
        sides = BothSides(server, production)
        try:
            with DmsStandIn(
                create_delay=_AT_ONCE, start_delay=_AT_ONCE, stop_delay=_AT_ONCE, delete_delay=_AT_ONCE
            ) as dms:
                yield _Bench(server, dms, sides, window, keys)
        finally:
            sides.close()


def _wait_passed(cdc: Cdc, instant: datetime) -> None:
    """Wait for CDC, which writes its status only once it has begun."""
    deadline = time.monotonic() + _BEGINS_SECONDS
    while True:
        try:
            cdc.wait_passed(instant)
            return
        except CdcStatusMissing:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _quietly(text: str) -> None:
    """Drop the message."""
