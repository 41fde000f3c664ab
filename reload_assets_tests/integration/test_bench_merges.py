"""The benchmark of merges: every way runs, what is wrong is found, and what is kept can be read back. No timing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import chart, report
from benchmarks.merges import Run, measure
from benchmarks.orders import Case, Cases
from benchmarks.report import Measured
from benchmarks.servers import installations, started
from benchmarks.sizes import EVERY, MIXED, SIZES
from benchmarks.strategies import STRATEGIES

pytestmark = pytest.mark.thorough

TINY = Case(3_000, 1_000, MIXED)


@pytest.fixture(scope="module")
def plain() -> list[Run]:
    with started(next(iter(installations().values()))) as server:
        cases = Cases(server)
        runs = measure(cases, TINY, EVERY, 1, lambda said: None)
        runs += measure(cases, TINY, ("chunked",), 1, lambda said: None, beside_cdc=True)
        cases.close()
        return runs


@pytest.mark.parametrize("name", [name for name in EVERY if STRATEGIES[name].guarded])
def test_a_guarded_merge_leaves_the_window_as_it_should_be(plain: list[Run], name: str) -> None:
    run = next(run for run in plain if run.strategy == name)
    assert (run.error, run.wrong) == (None, {})
    assert run.wal_bytes > 0


def test_newer_rows_that_are_overwritten_are_found(plain: list[Run]) -> None:
    for run in plain:
        if not STRATEGIES[run.strategy].guarded:
            assert run.error is None
            assert run.wrong.keys() == {"older"}


def test_the_writer_beside_a_merge_is_measured(plain: list[Run]) -> None:
    assert plain[-1].cdc_seconds
    assert (plain[-1].cdc_errors, plain[-1].wrong) == ({}, {})


def test_what_ours_did_wrong_is_a_fault_and_what_others_did_is_not(plain: list[Run]) -> None:
    measured = Measured("a server", TINY, False, plain)
    assert report.faults([measured]) == []
    bad = [
        Run("atomic", 1.0, 1, 1, {"older": 3}),
        Run("chunked", 1.0, 1, 1, {}, cdc_errors={"40P01": 1}),
        Run("seed", 1.0, 1, 1, {"older": 3}, error="23505 UniqueViolation"),
    ]
    found = report.faults([Measured("a server", TINY, True, bad)])
    assert [fault.rpartition(": ours, ")[2] for fault in found] == [
        "atomic: wrong {'older': 3}",
        "chunked: CDC's errors {'40P01': 1}",
    ]


def test_the_table_names_what_went_wrong_and_the_file_keeps_every_run(plain: list[Run], tmp_path: Path) -> None:
    measured = Measured("a server", TINY, False, plain[:-1])
    printed = report.table([measured])
    assert all(STRATEGIES[name].title in printed for name in EVERY)
    assert "wrong: " in printed
    kept = json.loads(json.dumps(report.as_json([measured])))
    assert [run["strategy"] for run in kept[0]["runs"]] == list(EVERY)
    beside = Measured("a server", TINY, True, plain[-1:])
    assert report.overview(measured, beside).count("nothing lost") == 1
    chart.draw(measured, beside, tmp_path / "merge.svg")
    drawn = (tmp_path / "merge.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<?xml")
    assert "ours, atomic" in drawn


@pytest.mark.parametrize("name", SIZES)
def test_every_size_measures_what_its_ratios_are_made_of(name: str) -> None:
    size = SIZES[name]
    runs = [Run(way, seconds, 1, 1, {}, cdc_seconds=[0.001, 0.002]) for seconds, way in enumerate(EVERY, start=1)]
    measured = [
        Measured("a server", part.case, part.beside_cdc, [run for run in runs if run.strategy in part.strategies])
        for part in size.parts
    ]
    found = report.ratios(measured, size, "a server")
    assert None not in found.values()
    assert found["merge_vs_limit"] == EVERY.index("atomic") + 1
