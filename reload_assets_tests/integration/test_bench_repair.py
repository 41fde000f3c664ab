"""The benchmark of repairs: both ways repair the same rows, and its figures can be kept. No timing."""

from __future__ import annotations

import json

import pytest

from benchmarks import repair
from benchmarks.sizes import SIZES

pytestmark = pytest.mark.thorough


def test_both_ways_repair_the_rows_and_are_measured() -> None:
    said: list[str] = []
    found = json.loads(json.dumps(repair.run(2_000, 500, 1, said.append, keys=10)))
    assert (found["production"], found["window"], found["keys"]) == (2_000, 500, 10)
    assert list(found["seconds"]) == [repair.BY_KEYS, repair.BY_WINDOW]
    assert [len(each) for each in found["seconds"].values()] == [1, 1]
    assert len(said) == 2
    printed = repair.table(found)
    assert "repair of 10 keys out of 2000 rows, in a window of 500" in printed
    found["seconds"] = {repair.BY_KEYS: [1.0, 9.0, 2.0], repair.BY_WINDOW: [8.0, 7.0, 30.0]}
    assert repair.ratios(found) == {"repair_keys_vs_window": 0.25}


@pytest.mark.parametrize("name", SIZES)
def test_every_size_repairs_a_window_that_is_a_part_of_production(name: str) -> None:
    production, window = SIZES[name].repaired
    assert 100 < window < production
