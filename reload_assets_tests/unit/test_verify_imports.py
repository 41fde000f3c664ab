"""What is imported by everything that starts a run, a sensor's tick or a code server, must not pull in what takes long.

No times here, which say more of the machine: what is not loaded costs nothing anywhere.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HEAVY = {
    "alembic",
    "boto3",
    "botocore",
    "dagster_aws",
    "great_expectations",
    "numpy",
    "oracledb",
    "pandas",
    "scipy",
    "sqlalchemy",
}


def loaded(modules: str, among: set[str]) -> set[str]:
    """Which top-level packages a fresh process has loaded after it has imported some modules."""
    script = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}} & {among!r})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=CHECKOUT
    )
    return set(done.stdout.split())


def test_verification_imports_neither_great_expectations_nor_dagster() -> None:
    modules = "reload_assets.verify.staging, reload_assets.verify.production"
    assert loaded(modules, HEAVY | {"dagster"}) == set()


def test_the_definitions_import_nothing_heavy_but_dagster() -> None:
    assert loaded("reload_assets.definitions", HEAVY | {"dagster"}) == {"dagster"}


def test_the_command_imports_nothing_heavy_to_print_its_reference() -> None:
    assert loaded("reload_assets.cli", HEAVY | {"dagster"}) == set()
