"""PostgreSQL servers to measure on: the embedded one and, where there is one, the distribution's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reload_assets.local.postgres import PostgresServer, find_binaries

# fsync stays off, because the work is compared and not the disk. As in production, pages are written in full after a
# checkpoint, which makes up most of the WAL. Vacuum is done by hand, so that it does not disturb a run.
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "512MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "full_page_writes": "on",
    "autovacuum": "off",
    "max_connections": "40",
}
_DISTRIBUTION = Path("/usr/lib/postgresql")
_ROOM_BYTES = 10 * 2**30


def installations() -> dict[str, Path]:
    """Return the folders with ``postgres`` to measure: the embedded one, then the distribution's oldest from 15 on."""
    found = {"embedded": find_binaries()}
    versions = sorted(
        (path for path in _DISTRIBUTION.glob("*/bin") if (path / "initdb").exists()),
        key=lambda path: float(path.parent.name),
    )
    if usable := [path for path in versions if float(path.parent.name) >= 15]:
        found["distribution"] = usable[0]
    return found


@contextmanager
def started(binaries: Path) -> Iterator[PostgresServer]:
    """A server of our own, gone with its data afterwards; in memory where there is room."""
    shared = Path("/dev/shm")
    in_memory = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > _ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="reload_bench_", dir=shared if in_memory else None) as folder:
        Path(folder).chmod(0o755)
        with PostgresServer(Path(folder) / "server", binaries=binaries, settings=SETTINGS) as server:
            yield server
