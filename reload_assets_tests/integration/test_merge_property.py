"""The outcome rules against a model that shares nothing with the merge, for whatever hypothesis comes up with."""

from __future__ import annotations

from typing import Literal, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reload_assets.merge import Outcomes
from reload_assets_tests.integration.merge_bench import NOON, UPDATED_AT, MakeBench

DDL = """CREATE TABLE production.customers (
    id integer PRIMARY KEY, name text, amount numeric, version integer, updated_at timestamp
)"""


class Version(NamedTuple):
    """One side's row but for its key."""

    name: str | None
    amount: int | None
    version: int | None


Row = tuple[Version | None, Version | None]
"""What is staged and what production has."""

versions = st.builds(
    Version, st.sampled_from([None, "", "a", "A"]), st.sampled_from([None, 0, 1]), st.sampled_from([None, 1, 2])
)
rows = st.lists(st.tuples(st.none() | versions, st.none() | versions), max_size=30)


def model(
    staged: Version | None, present: Version | None, equal: Literal["repair", "skip"], null: Literal["report", "repair"]
) -> tuple[str | None, Version | None]:
    """The outcome of a row, and what production has afterwards."""
    if staged is None:
        return None, present
    if present is None:
        return "inserted", staged
    if present == staged:
        return "identical", present
    if present.version is None or staged.version is None:
        return ("repaired", staged) if null == "repair" else ("unversioned", present)
    if staged.version == present.version:
        return ("repaired", staged) if equal == "repair" else ("skipped", present)
    return ("updated", staged) if staged.version > present.version else ("refused", present)


def test_every_outcome_is_the_models(make_bench: MakeBench) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(rows, st.sampled_from(["repair", "skip"]), st.sampled_from(["report", "repair"]))
    def check(cases: list[Row], equal: Literal["repair", "skip"], null: Literal["report", "repair"]) -> None:
        policies = {"version_column": "version", "equal_version": equal, "null_version": null}
        made = make_bench(DDL, {"customers": {**UPDATED_AT, **policies}})
        with made.connection.cursor() as cursor:
            present = [(key, *has, NOON) for key, (_, has) in enumerate(cases) if has]
            cursor.executemany("INSERT INTO production.customers VALUES (%s, %s, %s, %s, %s)", present)
        outcomes = made.reload([(key, *staged, NOON) for key, (staged, _) in enumerate(cases) if staged])

        expected = [model(staged, has, equal, null) for staged, has in cases]
        counts = [outcome for outcome, _ in expected if outcome]
        assert outcomes == Outcomes(**{outcome: counts.count(outcome) for outcome in set(counts)})
        after = made.rows("SELECT id, name, amount, version FROM production.customers ORDER BY id")
        assert after == [(key, *left) for key, (_, left) in enumerate(expected) if left]
        written = [(outcome, {"id": key}) for key, (outcome, _) in enumerate(expected)]
        changes = [change for change in written if change[0] in ("inserted", "updated", "repaired")]
        assert sorted(((o, k) for o, k, _ in made.audit()), key=lambda c: c[1]["id"]) == changes

    check()
