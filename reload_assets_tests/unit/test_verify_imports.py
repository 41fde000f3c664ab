"""Verification is imported by everything that starts a run, so it must not pull in what takes seconds."""

from __future__ import annotations

import subprocess
import sys


def test_verification_imports_neither_great_expectations_nor_dagster() -> None:
    script = (
        "import sys, reload_assets.verify.staged, reload_assets.verify.after; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'great_expectations', 'pandas', 'dagster'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
