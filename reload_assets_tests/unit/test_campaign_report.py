"""When a campaign has proved something, and what it says of a run that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from reload_assets_tests.campaigns import report
from reload_assets_tests.campaigns.judge import AuditFault, RowFault
from reload_assets_tests.campaigns.run import Result
from reload_assets_tests.campaigns.schema import World
from reload_assets_tests.campaigns.settings import BASELINES, OURS, POLICIES, Job, list_jobs

ZOMBIE = RowFault("zombie", False, "customers", (1,), None, {"customer_id": 1}, None)


def result(
    mode: str,
    *,
    rows: Sequence[RowFault] = (),
    audit: Sequence[AuditFault] = (),
    leftovers: Sequence[str] = (),
    given_up: Sequence[str] = (),
) -> Result:
    return Result(
        Job(mode, "default", "s-1"), World(), 1.0, 9, rows, audit, leftovers, ["once"], given_up, 0.1, "how it came"
    )


BASELINES_AT_FAULT = [result(mode, rows=[ZOMBIE]) for mode in BASELINES for _ in range(report.ENOUGH_RUNS)]


def test_a_campaign_without_a_fault_of_ours_has_proved_it() -> None:
    runs = [result("confirm"), result("fence"), *BASELINES_AT_FAULT]
    assert report.summary(runs) == ("ours: 2 runs, 0 inconsistent, 0 worse than no reload", True)


@pytest.mark.parametrize(
    "fault",
    [
        result("fence", rows=[ZOMBIE]),
        result("confirm", audit=[AuditFault("customers", (1,), "not in the audit")]),
        result("confirm", leftovers=["a session"]),
        result("fence", given_up=["refused"]),
    ],
)
def test_one_fault_of_ours_of_any_kind_is_enough(fault: Result) -> None:
    said, proved = report.summary([result("confirm"), fault, *BASELINES_AT_FAULT])
    assert not proved
    # The zombie is not there without a reload.
    worse = len(fault.rows)
    assert said == f"ours: 2 runs, 1 inconsistent, {worse} worse than no reload"


def test_a_baseline_that_shows_no_fault_in_many_runs_makes_the_campaign_worthless() -> None:
    runs = [result("confirm"), *BASELINES_AT_FAULT]
    harmless = [result("seed") if one.job.mode == "seed" else one for one in runs]
    said, proved = report.summary(harmless)
    assert not proved
    assert said.startswith("update newer rows, then insert missing ones: no fault in 10 runs")
    few = [one for one in runs if one.job.mode != "seed"] + [result("seed")] * (report.ENOUGH_RUNS - 1)
    assert report.summary(few)[1]


def test_a_failure_says_how_to_run_it_again_and_how_it_came_about() -> None:
    said = report.failure(result("fence", rows=[ZOMBIE], leftovers=["a session: idle"]))
    assert "FAILED fence, default policies, seed s-1" in said
    assert "--replay s-1 --mode fence --policy default" in said
    assert "a session: idle" in said
    assert "how it came" in said


def test_the_table_counts_runs_and_rows_by_mode_and_policy() -> None:
    lines = report.table([result("confirm"), result("confirm", rows=[ZOMBIE, ZOMBIE]), result("seed")]).splitlines()
    assert [line.split()[-11:] for line in lines[1:]] == [
        ["2", "1", "2", "0", "0", "0", "2", "0", "0", "2", "0"],
        ["1", "0", "0", "0", "0", "0", "0", "0", "0", "1", "0"],
    ]


def test_a_campaign_rotates_over_modes_and_policies_and_gives_baselines_a_fifth() -> None:
    jobs = list_jobs(200, "s")
    counts = Counter((job.mode, job.policy) for job in jobs)
    assert {counts[mode, policy] for mode in OURS for policy in POLICIES} == {33, 34}
    assert {counts[mode, policy] for mode in BASELINES for policy in ("default", "idempotent")} == {20}
    assert len({job.seed for job in jobs}) == len(jobs)
    assert Counter(job.mode for job in list_jobs(4, "s"))["seed"] == 3
