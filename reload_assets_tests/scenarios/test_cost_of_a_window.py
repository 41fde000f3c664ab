"""What a window costs beside its rows: logins to the target, connections to the source, questions to the catalogs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from reload_assets.postgres import statements
from reload_assets_tests.scenarios.runs import Runner


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, runner: Runner) -> Iterator[Counter[str]]:
    """Counts what this process asks of the databases under the logins of ``reload.yaml``."""
    found: Counter[str] = Counter()
    login, text = psycopg.connect, statements.text
    job = runner.stack.environment["RELOAD_TARGET_USER"]

    def connect(*arguments: Any, **options: Any) -> Any:
        found["target logins"] += options.get("user") == job
        return login(*arguments, **options)

    def read(name: str) -> str:
        found["catalog queries"] += name.startswith("catalog/")
        return text(name)

    def connected(connection: Any, _: object) -> None:
        # Dagster's own storage is in SQLite here.
        found["source connections"] += hasattr(connection, "info")

    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(statements, "text", read)
    sa.event.listen(sa.pool.Pool, "connect", connected)
    yield found
    sa.event.remove(sa.pool.Pool, "connect", connected)


def test_tables_are_resolved_once_a_reload(runner: Runner, day: date, counted: Counter[str]) -> None:
    assert runner.run(day.isoformat()).success
    most = {"source connections": 18, "target logins": 95, "catalog queries": 125}
    assert {what: count for what, count in counted.items() if count > most[what]} == {}
