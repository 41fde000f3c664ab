"""A streaming standby of a test's server, which shows the primary's rows late or never."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from reload_assets.local.postgres import PostgresServer


@contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A hot standby of everything that is committed now; ``url`` of it takes the primary's logins."""
    root = Path(tempfile.mkdtemp(prefix="reload-standby-"))
    try:
        root.chmod(0o755)
        server = PostgresServer(root / "postgres")
        server.password = primary.password
        server.root.mkdir()
        command = [str(primary.binaries / "pg_basebackup"), "--dbname", primary.url(), "--pgdata", str(server.data)]
        subprocess.run([*command, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"], check=True)
        if os.geteuid() == 0:
            # As root the server runs as nobody.
            for path in (server.root, *server.root.rglob("*")):
                shutil.chown(path, "nobody")
        with server:
            yield server
    finally:
        shutil.rmtree(root, ignore_errors=True)


def stop_replay(standby: PostgresServer) -> None:
    """From now on the standby shows nothing new."""
    with psycopg.connect(standby.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
