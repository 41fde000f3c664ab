"""``make ui`` ends when it is stopped or killed, and what it started ends with it, a loading run too."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from reload_assets_tests.browser.served import CHECKOUT, Served, wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

# Ctrl-C ends the one of the other tests.
SIGNALS = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
_REQUEST = """
INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason)
VALUES ('sales', %s, %s, 'from outside')
"""


def _is_gone(served: Served) -> bool:
    return not served.left_behind()


@pytest.fixture
def each() -> Iterator[dict[signal.Signals, Served]]:
    """One for each signal, both with a run that the daemon has launched on request and that waits for its load."""
    with ThreadPoolExecutor() as pool:
        started = [pool.submit(Served, CHECKOUT) for _ in SIGNALS]
    running = [one.result() for one in started]
    try:
        for served in running:
            served.fault(kind="pause", table="ORDERS", after_rows=5)
            served.query(_REQUEST, f"{served.day(0)}T00:00Z", f"{served.day(1)}T00:00Z")
        for served in running:
            wait_for(partial(served.query, "SELECT 1 FROM admin.reloads WHERE status = 'loading'"), "a load")
        yield dict(zip(SIGNALS, running, strict=True))
    finally:
        for served in running:
            served.kill()


def test_no_signal_leaves_a_process(each: dict[signal.Signals, Served]) -> None:
    for how, served in each.items():
        assert len(served.left_behind()) > 5
        assert served.stop(how) == SIGNALS[how]
        wait_for(partial(_is_gone, served), f"the end of every process after {how.name}", 30)
    assert not each[signal.SIGTERM].folder_exists()
