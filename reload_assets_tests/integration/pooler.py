"""PgBouncer before a test's server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reload_assets.local.postgres import PostgresServer, free_port

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
# Settings at the login are lost instead of refused.
LOSES_SETTINGS = "ignore_startup_parameters = options,extra_float_digits"


@contextmanager
def pooler(server: PostgresServer, *settings: str) -> Iterator[int]:
    """PgBouncer before the server; the port on which it listens."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer): nothing shows that it is recognised")
    folder = Path(tempfile.mkdtemp(prefix="reload-pooler-"))
    folder.chmod(0o755)
    port = free_port()
    (folder / "users.txt").write_text(f'"{server.superuser}" "{server.password}"\n', encoding="utf-8")
    written = [
        "[databases]",
        f"* = host=127.0.0.1 port={server.port}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = plain",
        f"auth_file = {folder / 'users.txt'}",
        *settings,
    ]
    (folder / "pgbouncer.ini").write_text("\n".join(written) + "\n", encoding="utf-8")
    # It does not run as root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PGBOUNCER, *user, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while "process up" not in (folder / "log").read_text():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "PgBouncer does not come up"
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)
