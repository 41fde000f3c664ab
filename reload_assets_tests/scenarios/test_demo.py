"""``make demo`` tells the truth: it says no, and fails, where production does not equal the source.

The source changes all the while, and CDC follows: what it heals by itself is not what the tests look for.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from reload_assets.local import demo, sales
from reload_assets.local.stack import Rows, Stack

TABLES = ("customers", "orders", "order_items", "documents")
LAST_LINE = "production equals the source for the window: "


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Stack]]:
    """Few rows; the stack that the demo has made, to look at its remains."""
    made: list[Stack] = []

    def make(rows: Rows) -> Stack:
        made.append(Stack(replace(rows, customers_per_day=20, orders_per_day=40)))
        return made[-1]

    monkeypatch.setattr(demo, "Stack", make)
    before = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, before)


def test_a_reload_that_repaired_nothing_is_a_no(
    small: list[Stack], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = dict(os.environ)
    monkeypatch.setattr(demo, "_reload", lambda begin, day: True)
    assert demo.main() == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-2].startswith("rows outside the window equal the source's: yes (")
    assert said[-1] == f"{LAST_LINE}no"
    assert "confirm: nothing was reloaded" in said
    assert any(line.startswith("CDC meanwhile: ") for line in said)
    counted = [line.split() for line in said if line.split()[1:2] in (["missing"], ["stale"], ["corrupted"], ["extra"])]
    assert [row[0] for row in counted] == [table for table in TABLES for _ in range(4)]
    assert all(int(before) > 0 for _, kind, before, _ in counted if kind != "extra")
    assert all(int(after) > 0 for _, kind, _, after in counted if kind == "missing")

    # Nothing is left: no server, no file, no variable.
    (stack,) = small
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", stack.postgres.port)) != 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(stack.dms.url.rsplit(":", 1)[1]))) != 0
    assert not Path(stack.root).exists()
    assert dict(os.environ) == environment


def test_a_row_lost_outside_the_window_is_a_no(
    small: list[Stack], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def mend_and_spoil(begin: float, day: date) -> bool:
        with small[0].connect_source() as source, small[0].connect_target() as target, target.transaction():
            # CDC waits, and then does once more what the copy has seen already, in one table more than in another.
            target.execute("SET LOCAL session_replication_role = replica")
            target.execute("SET LOCAL deadlock_timeout = '1min'")
            target.execute(f"TRUNCATE {', '.join(f'production.{table}' for table in TABLES)}")
            sales.copy_to_production(source, target)
            target.execute("DELETE FROM production.documents WHERE updated_at < %s", [day - timedelta(days=1)])
        return True

    monkeypatch.setattr(demo, "_reload", mend_and_spoil)
    assert demo.main() == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-2].startswith("rows outside the window equal the source's: no (")
    assert said[-1] == f"{LAST_LINE}no"
    counted = [line.split() for line in said if line.split()[1:2] in (["missing"], ["stale"], ["corrupted"], ["extra"])]
    assert all(after == "0" for *_, after in counted)
