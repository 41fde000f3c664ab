"""What the stand-in's CDC task claims in its status, instant by instant, over a log that is made up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reload_assets.local.dms import replication, settings
from reload_assets.local.dms.changelog import Mark, shown
from reload_assets.local.dms.changes import Statement
from reload_assets.local.dms.control_tables import Status
from reload_assets.local.dms.engine import Measures, Stopped
from reload_assets.local.dms.faults import ApplyLag, Faults
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.pgoutput import Change, Decoder, Relation, Transaction
from reload_assets.local.dms.protocol import ApiError

NOON = datetime(2025, 1, 1, 12)
OTHER = Relation(1, "SALES", "OTHER", (("ID", True),))
ITEMS = Relation(2, "SALES", "ITEMS", (("ID", True),))
RULE = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "1",
    "object-locator": {"schema-name": "SALES", "table-name": "ITEMS"},
    "rule-action": "include",
}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def mark(seconds: float, position: int, flushed: int | None = None) -> Mark:
    return Mark(at(seconds), position, position if flushed is None else flushed)


def commit(end: int, seconds: float, relation: Relation = OTHER) -> Transaction:
    """A transaction whose commit record ends there; changes of OTHER are not replicated."""
    return Transaction(end, end - 5, end, at(seconds), 3, (Change("insert", relation, None, {"ID": "1"}),))


class Script:
    """A log, control tables and an engine: reading the log returns what the script says; then the task is stopped."""

    def __init__(self, *looks: tuple[Mark, Iterable[Transaction], bool], lag: float = 0) -> None:
        self._looks = list(looks)
        self._now = looks[0][0]
        self._statuses: list[list[Status]] = []
        self.flushed = self.taken = 0
        self.faults = Faults()
        if lag:
            self.faults.set(ApplyLag(seconds=lag))
        self.job = SimpleNamespace(
            settings=settings.complete(None),
            only_validates=False,
            measures=Measures(),
            mapping=TableMapping(json.dumps({"rules": [RULE]})),
        )

    # As the log

    def position(self) -> int:
        return 0

    def mark(self) -> Mark:
        # Without a new position, the log would not be read.
        self._now = self._looks[0][0] if self._looks else replace(self._now, flushed=self._now.flushed + 1)
        return self._now

    def peek(self, known: Iterable[Transaction], most: int) -> tuple[list[Transaction], bool]:
        if not self._looks:
            raise Stopped
        _, found, drained = self._looks.pop(0)
        self._statuses.append([])
        return list(found), drained

    def take(self, position: int) -> None:
        assert position > self.taken
        self.taken = position

    def flush(self) -> None:
        self.flushed += 1

    def shorten(self) -> None:
        pass

    # As the control tables

    def lock(self) -> None:
        pass

    def checkpoint(self) -> int:
        return 0

    def applied(self) -> None:
        return None

    def write_status(self, status: Status) -> None:
        self._statuses[-1].append(status)

    # As the engine

    def pause(self, seconds: float) -> None:
        pass

    def run(self) -> list[Status]:
        """Return the last status after each read of the log; reads without a status are left out."""
        everything: Any = self
        with pytest.raises(Stopped):
            replication.Replication(None, None, everything, everything, everything).run()  # type: ignore[arg-type]
        return [statuses[-1] for statuses in self._statuses if statuses]


@pytest.fixture(autouse=True)
def _every_status_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replication, "_STATUS", -1)
    monkeypatch.setattr(replication, "_HELD_POLL", 0)


def test_all_that_was_visible_when_the_log_was_looked_at_is_applied() -> None:
    [status] = Script((mark(1, 100), [commit(90, 0.5)], True)).run()
    assert (status.pending, status.current, status.applied) == (0, at(1), at(0.5))


def test_an_instant_is_not_claimed_before_a_later_commit_with_an_earlier_instant() -> None:
    """The second commit is stamped before the first one, and gets its place in the log after it."""
    script = Script(
        (mark(1, 100), [commit(120, 2.000002)], True),
        (mark(3, 140), [commit(130, 2.000001)], True),
    )
    before, after = script.run()
    assert (before.pending, before.current, before.applied) == (0, at(1), at(1))
    assert (after.pending, after.current, after.applied) == (0, at(3), at(2.000002))


def test_what_is_not_flushed_is_not_claimed() -> None:
    """A commit may be visible before it is flushed, and the log is readable only up to there."""
    script = Script((mark(1, 100, 90), [], True), (mark(1.01, 110, 95), [], True), (mark(1.02, 120, 105), [], True))
    assert [status.current for status in script.run()] == [at(1)]
    assert script.flushed == 0


def test_what_is_not_flushed_for_long_is_flushed() -> None:
    script = Script((mark(1, 100, 90), [], True), (mark(1.1, 100, 91), [], True), (mark(1.2, 110, 110), [], True))
    assert [status.current for status in script.run()] == [at(1.2)]
    assert script.flushed == 1


def test_a_log_that_is_not_read_to_its_end_has_pending_changes() -> None:
    script = Script((mark(1, 200), [commit(100, 0.5)], False), (mark(2, 300), [commit(250, 0.6)], True))
    first, last = script.run()
    assert (first.pending, first.applied) == (1, None)
    assert (last.pending, last.current, last.applied) == (0, at(2), at(0.6))


def test_held_changes_are_pending_and_only_those_of_replicated_tables() -> None:
    held = [commit(90, 0.5), commit(110, 0.9, ITEMS), commit(120, 0.95)]
    script = Script((mark(0.6, 100), held, True), (mark(1, 130), [], True), lag=60)
    first, last = script.run()
    assert (first.pending, first.applied, first.tail_instant) == (1, at(0.5), at(0.6))
    assert (last.pending, last.current, last.applied, last.tail_instant) == (1, at(1), at(0.5), at(0.6))
    assert script.taken == 90, "the log is kept from the held transaction on"


def test_a_transaction_that_is_applied_already_is_passed_over() -> None:
    known = commit(90, 0.5)
    script = Script((mark(1, 100), [known], True), (mark(2, 110), [known, commit(105, 1.5)], True))
    assert [status.applied for status in script.run()] == [at(0.5), at(1.5)]


def test_messages_out_of_place_are_refused() -> None:
    decoder = Decoder()
    for kind in (b"I", b"C"):
        with pytest.raises(ValueError, match="outside of a transaction"):
            decoder.feed(kind + bytes(40))
    assert decoder.feed(b"Mmessage") is None


def test_positions_are_shown_as_postgresql_shows_them() -> None:
    assert (shown(0), shown(0x16B3748), shown(0xA_0000_00FF)) == ("0/0", "0/16B3748", "A/FF")


def test_statements_are_shown_as_dms_logs_them() -> None:
    row = {"order_id": "6", 'odd "name"': "it's", "note": None}
    update = Statement("update", "production", "orders", row, {"order_id": "5", "line": None})
    assert update.shown() == (
        """UPDATE "production"."orders" SET "order_id"='6' , "odd ""name""\"='it''s' , "note"=NULL """
        """WHERE "order_id"='5' AND "line" IS NULL"""
    )
    assert update.values() == ["6", "it's", None, "5"]
    assert replace(update, verb="insert", key={}).shown() == (
        """INSERT INTO "production"."orders" ("order_id","odd ""name""\","note") VALUES ('6','it''s',NULL)"""
    )
    assert replace(update, verb="delete", row={}).shown() == (
        """DELETE FROM "production"."orders" WHERE "order_id"='5' AND "line" IS NULL"""
    )
    assert replace(update, verb="truncate", row={}, key={}).shown() == """TRUNCATE TABLE "production"."orders\""""


def test_the_slowest_statement_is_known_while_it_runs() -> None:
    measures = Measures()
    assert measures.slowest == 0
    with measures.statement():
        first = measures.slowest
        assert measures.slowest > first > 0
        measures.reset()
    assert 0 < measures.slowest < 1


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("ApplyErrorInsertPolicy", "UPDATE_RECORD"),
        ("ApplyErrorUpdatePolicy", "INSERT_RECORD"),
        ("ApplyErrorDeletePolicy", "INSERT_RECORD"),
        ("ApplyErrorDeletePolicy", "ignore_record"),
    ],
)
def test_apply_policies_that_are_refused(name: str, policy: str) -> None:
    with pytest.raises(ApiError, match="^Invalid task settings JSON$"):
        settings.complete(json.dumps({"ErrorBehavior": {name: policy}}))
    for good in ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"):
        assert settings.complete(json.dumps({"ErrorBehavior": {name: good}}))["ErrorBehavior"][name] == good


def test_the_longest_lag_holds() -> None:
    faults = Faults()
    assert faults.lag() == 0
    faults.change({"kind": "apply-lag", "seconds": 2})
    short = faults.set(ApplyLag(seconds=0.5))
    assert (faults.lag(), short.reached.is_set()) == (2, True)
    faults.clear("apply-lag")
    assert faults.lag() == 0
