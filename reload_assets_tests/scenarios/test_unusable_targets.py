"""Targets that take no reload: ``reload-assets doctor`` and a run name each before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import yaml

from reload_assets.local.postgres import PostgresServer
from reload_assets.local.stack import Stack, checkout_file
from reload_assets_tests.integration.pooler import LOSES_SETTINGS, pooler
from reload_assets_tests.integration.standby import standby_of
from reload_assets_tests.scenarios.runs import Runner, failures
from reload_assets_tests.scenarios.test_cli import command, found


@contextmanager
def standby(server: PostgresServer) -> Iterator[int]:
    with standby_of(server) as made:
        yield made.port


TARGETS = {
    "a pooler": (lambda server: pooler(server, "pool_mode = transaction"), "is a connection pooler such as PgBouncer"),
    "a pooler that loses settings": (
        lambda server: pooler(server, "pool_mode = transaction", LOSES_SETTINGS),
        "is a connection pooler such as PgBouncer",
    ),
    "a standby": (standby, "is read-only: it is a standby"),
}


def at_port(port: int) -> str:
    """reload.yaml of the stack with another port of the target, and its administrator's login."""
    document = yaml.safe_load(checkout_file("reload.yaml").read_text(encoding="utf-8"))
    login = {"port": port, "user": "postgres", "password": {"env": "ADMIN_PASSWORD"}}
    document["target"]["connection"] |= login
    return yaml.safe_dump(document)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_that_takes_no_reload_is_named(
    stack: Stack,
    configured: Callable[[str], Runner],
    day: date,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", stack.postgres.password)
    behind, words = TARGETS[name]
    with behind(stack.postgres) as port:
        file = tmp_path / "check.yaml"
        file.write_text(at_port(port), encoding="utf-8")
        checked = command("--config", str(file), "doctor")
        runner = configured(at_port(port))
        run = runner.run(day.isoformat())
    assert checked.exit_code == 1
    assert [problem for problem in found(checked, "problem") if words in problem]
    assert "Traceback" not in checked.output
    assert not run.success
    assert words in failures(run)[0]
    assert runner.dms_tasks() == []
