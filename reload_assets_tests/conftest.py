"""Fixtures for all tests: one throw-away PostgreSQL server per session, one fresh database per test."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.roles import make_logins_cheap

# A slow machine must not fail an example, so examples have no deadline; the tests have a timeout.
settings.register_profile("reload_assets", deadline=None)
settings.load_profile("reload_assets")

# Many tests start processes, which would compile this package each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Dagster and great_expectations leave so many objects that each search for cycles among all of them takes a third of a
# second; by default there are several in each file of tests.
gc.set_threshold(50_000, 20, 100)

_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 4 << 30


def _leave_the_disk_alone() -> None:
    """Keep servers in memory if there is enough of it: a database is hundreds of files, and a test's is short-lived.

    Child processes inherit this. pytest's own folders stay on disk, because they are kept after the run.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    found = os.statvfs(_MEMORY)
    if found.f_bavail * found.f_frsize >= _MEMORY_BYTES and not found.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


_leave_the_disk_alone()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session, stopped and removed at its end."""
    root = Path(tempfile.mkdtemp(prefix="reload-test-"))
    root.chmod(0o755)
    try:
        with PostgresServer(root / "postgres") as server:
            make_logins_cheap(server)
            yield server
    finally:
        shutil.rmtree(root, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that nobody looked at the UI, which a line among the skipped tests would not."""
    skipped = terminalreporter.stats.get("skipped", [])
    if any("browser" in report.keywords for report in skipped):
        terminalreporter.write_sep("!", "NOT TESTED: the steps of README in the UI", red=True, bold=True)
        terminalreporter.write_line("There is no chromium here. Install it, on Debian with apt-get install chromium.")


_numbers = itertools.count(1)


@pytest.fixture
def new_database(postgres: PostgresServer) -> Iterator[Callable[[str], str]]:
    """A factory: name a database, get its URL; all of them are dropped after the test."""
    made: list[str] = []

    def make(name: str = "db") -> str:
        database = f"{name}_{next(_numbers)}"
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        made.append(database)
        return postgres.url(database)

    yield make
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for database in made:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
