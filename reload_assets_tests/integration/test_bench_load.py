"""The benchmark of loading runs, and its results can be written as JSON; nothing here tests speed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import load

pytestmark = pytest.mark.thorough


def test_every_way_is_measured_on_every_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "measured.json"
    load.main(["--rows", "200", "--repetitions", "2", "--json", str(file)])
    measured = json.loads(file.read_text(encoding="utf-8"))
    assert (measured["benchmark"], measured["rows"], measured["repetitions"]) == ("load", 200, 2)
    assert [(one["table"], one["group"], len(one["seconds"])) for one in measured["results"]] == [
        (table, group, 2) for table in ("narrow", "wide") for group in ["load"] * 2 + ["staging"] * 3
    ]
    assert all(0 < one["min"] <= one["median"] <= one["max"] for one in measured["results"])
    assert [one["ratio"] for one in measured["results"] if one["way"] == "CSV COPY pipe"] == [1, 1]
    printed = capsys.readouterr().out
    assert all(one["way"] in printed for one in measured["results"])
