"""What the benchmark of orchestration makes of Python's own table of imports."""

from __future__ import annotations

from benchmarks.orchestration import packages

WRITTEN = """\
import time: self [us] | cumulative | imported package
import time:       200 |        200 |     other
import time:       100 |        300 |   dagster.one
import time:      1000 |       1300 | dagster
import time:       500 |        500 | dagster.later
import time:        50 |         50 | other.part
a line of something else
"""


def test_the_time_of_a_package_is_that_of_all_its_modules() -> None:
    assert packages(WRITTEN) == [
        {"package": "dagster", "own_ms": 1.6, "cumulative_ms": 1.3},
        {"package": "other", "own_ms": 0.25, "cumulative_ms": 0.2},
    ]
