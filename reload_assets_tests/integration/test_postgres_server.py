"""The embedded PostgreSQL: it recovers, hides nowhere, and does not outlive the process that started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reload_assets.local.postgres import PostgresServer, find_binaries


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user can reach, as the server may run as one."""
    made = Path(tempfile.mkdtemp(prefix="reload-server-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    with PostgresServer(folder / "pg") as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        port = server.port
        server.kill()
        server.start()
        assert server.port == port
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]


def test_a_wrong_password_is_refused(folder: Path) -> None:
    with (
        PostgresServer(folder / "pg") as server,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(server.url(password="guess"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_parent_leaves_no_server(folder: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from reload_assets.local.postgres import PostgresServer\n"
        "server = PostgresServer(pathlib.Path(sys.argv[1])).start()\n"
        "print(server.url(), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(folder / "pg")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    url = parent.stdout.readline().strip()
    psycopg.connect(url).close()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            break
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.1)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root runs the server as another user")
def test_binaries_below_a_closed_folder_are_made_readable(folder: Path) -> None:
    package = find_binaries().parent.parent
    hidden = folder / "home"
    shutil.copytree(package, hidden / "site" / package.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / "site" / libraries.name, symlinks=True)
    hidden.chmod(0o700)
    binaries = hidden / "site" / package.name / find_binaries().parent.name / "bin"
    with PostgresServer(folder / "pg", binaries=binaries) as server:
        psycopg.connect(server.url()).close()
