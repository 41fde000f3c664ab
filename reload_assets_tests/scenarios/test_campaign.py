"""A short campaign: ours keeps every promise under both policies of CDC, and the harness sees what others get wrong.

``make campaign`` is the long one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from reload_assets_tests.campaigns import report
from reload_assets_tests.campaigns.bench import Bench
from reload_assets_tests.campaigns.model import Model
from reload_assets_tests.campaigns.replication import Replication, changing_lag
from reload_assets_tests.campaigns.run import run_once
from reload_assets_tests.campaigns.schema import SPECS, World
from reload_assets_tests.campaigns.settings import BASELINES, POLICIES, Job
from reload_assets_tests.campaigns.tables import read_tables
from reload_assets_tests.campaigns.writer import Writer

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """The servers of a campaign."""
    with Bench() as running:
        yield running


@pytest.mark.parametrize("policy", POLICIES)
def test_the_harness_itself_does_no_harm(bench: Bench, policy: str) -> None:
    """Without damage and without a reload, both targets are the source once CDC has drained, and so is the model."""
    model = Model(random.Random(1), World())
    with bench.databases(SPECS, model.tables, model.tables) as databases:
        replication = Replication(bench, databases, World(), policy, f"harmless-{policy}")
        try:
            replication.start()
            writer = Writer(bench.source.url(databases.source), model, "harmless", lambda: 0.0)
            writer.start()
            with changing_lag(bench, "harmless"):
                time.sleep(1.5)
                writer.stop()
            replication.drain()
            source = read_tables(bench.source.url(databases.source), SPECS, on_source=True)
            assert source == model.tables
            assert len(writer.journal) > 20
            for name in (databases.target, databases.shadow):
                assert read_tables(bench.target.url(name), SPECS, on_source=False) == source
        finally:
            replication.close()


@pytest.mark.parametrize(
    ("mode", "policy", "seed"),
    [
        # Text keys, LOBs, partial updates, an expression index, partitions, and a reload that dies.
        ("confirm", "default", "test-1"),
        # CHAR keys, LOBs, an expression index, batch apply, and a reload that dies.
        ("fence", "idempotent", "test-11"),
        # Numeric keys, policies that leave rows alone, the real checks of staging, lists of keys instead of windows.
        ("confirm", "idempotent", "test-2"),
        # RAW keys, foreign keys that hold for CDC and cascade, restarts of CDC, lists of keys beside the windows.
        ("chunked", "default", "test-10"),
        # Lists of keys alone, of which DMS loads one table's, and one whose reload dies.
        ("confirm", "default", "test-44"),
    ],
)
def test_ours_keeps_every_promise(bench: Bench, mode: str, policy: str, seed: str) -> None:
    result = run_once(bench, Job(mode, policy, seed))
    assert result.consistent, report.failure(result)
    assert result.changes > 50


@pytest.mark.parametrize("mode", BASELINES)
def test_the_harness_sees_what_other_merges_get_wrong(bench: Bench, mode: str) -> None:
    assert any(run_once(bench, Job(mode, policy, "test")).rows for policy in POLICIES)
