"""The embedded stack, which is started once per session; each scenario takes its own day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from reload_assets.local.stack import Rows, Stack
from reload_assets_tests.roles import make_logins_cheap
from reload_assets_tests.scenarios.runs import DAYS, Runner, take_day


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, the DMS stand-in and the reference group with few rows a day."""
    with Stack(Rows(days=DAYS, customers_per_day=20, orders_per_day=50)) as running:
        logins = [f"RELOAD_{name}" for name in ("SOURCE", "TARGET")]
        make_logins_cheap(
            running.postgres,
            {running.environment[f"{name}_USER"]: running.environment[f"{name}_PASSWORD"] for name in logins},
        )
        yield running


@pytest.fixture(scope="session")
def instance() -> Iterator[DagsterInstance]:
    """Dagster with its storage in memory: the demo and the UI's tests have it in PostgreSQL, at twice the time."""
    with DagsterInstance.ephemeral() as running:
        yield running


@pytest.fixture
def day() -> date:
    """A day that no other scenario touches."""
    return take_day()


@pytest.fixture
def bounds(day: date) -> tuple[datetime, datetime]:
    """The day's wall-clock bounds in the source's zone, which is UTC here."""
    start = datetime(day.year, day.month, day.day)
    return start, start + timedelta(days=1)


@pytest.fixture
def runner(stack: Stack, instance: DagsterInstance) -> Iterator[Runner]:
    """Runs jobs of the reference configuration; faults are taken back afterwards."""
    yield Runner(stack, instance)
    stack.dms.faults.clear()


@pytest.fixture
def configured(stack: Stack, instance: DagsterInstance, tmp_path: Path) -> Callable[[str], Runner]:
    """A factory: runs jobs of another reload.yaml."""

    def make(written: str) -> Runner:
        file = tmp_path / "reload.yaml"
        file.write_text(written, encoding="utf-8")
        return Runner(stack, instance, file)

    return make
