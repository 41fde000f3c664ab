"""Writes the corrections of one look into production: one transaction, tried again where it met another's lock."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from typing import Any

from psycopg import Connection, errors

from reload_assets.confirm.plan import ConfirmPlan
from reload_assets.database import Target
from reload_assets.errors import MergeFailed
from reload_assets.merge.settings import set_up
from reload_assets.merge.stall import StallWatch
from reload_assets.statements import run

_LOG = logging.getLogger(__name__)
_RETRIED = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


class Corrections:
    """Applies the verdicts of the plans' keys. ``connection`` is in autocommit mode and holds the temporary tables."""

    def __init__(
        self,
        target: Target,
        connection: Connection[Any],
        plans: Sequence[ConfirmPlan],
        *,
        lock_timeout_ms: int,
        stall_limit_ms: int,
        attempts: int,
    ) -> None:
        self._target, self._connection, self._plans = target, connection, plans
        self._lock_timeout_ms, self._stall_limit_ms, self._attempts = lock_timeout_ms, stall_limit_ms, attempts

    def apply(self) -> int:
        """Write them; how many rows were changed. Those that somebody else has written meanwhile are put off.

        Where a constraint refuses some, the others are made all the same. Raises MergeFailed where a trigger turns a
        row away or contention outlives the attempts; nothing is changed then.
        """
        one_by_one = False
        with StallWatch(self._target, self._connection, self._stall_limit_ms) as watch:
            for attempt in range(1, self._attempts + 1):
                try:
                    with self._connection.transaction():
                        set_up(self._connection, self._lock_timeout_ms, self._stall_limit_ms)
                        return self._apply_one_by_one() if one_by_one else self._apply_all()
                except errors.IntegrityError as error:
                    _LOG.info("confirm: one by one, because of %s", error)
                    one_by_one = True
                    continue
                except (*_RETRIED, errors.QueryCanceled) as error:
                    if isinstance(error, errors.QueryCanceled) and not watch.tripped:
                        raise
                    watch.reset()
                    _LOG.info("confirm: attempt %d met %s", attempt, error)
                pause = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
                time.sleep(pause * random.uniform(0.5, 1.5))
        raise MergeFailed(
            f"The corrections of {self._plans[0].merge.reload.title} met another transaction at each of "
            f"{self._attempts} attempts; end that transaction, then reload the window again."
        )

    def _apply_all(self) -> int:
        # Children before parents, as a foreign key wants it; afterwards parents before children.
        for plan in reversed(self._plans):
            self._lock(plan)
        removed = sum(self._remove(plan) for plan in reversed(self._plans))
        return removed + sum(self._write(plan) for plan in self._plans)

    def _apply_one_by_one(self) -> int:
        for plan in self._plans:
            plan.run(self._connection, "hold_back")
        steps: list[tuple[ConfirmPlan, list[str]]] = [
            *((plan, ["held delete", "held soft_delete"]) for plan in reversed(self._plans)),
            *((plan, ["held update", "held insert"]) for plan in self._plans),
        ]
        return sum(self._take(plan, held) for plan, held in steps)

    def _take(self, plan: ConfirmPlan, held: list[str]) -> int:
        changed = 0
        while plan.run(self._connection, "take_one", held=held).fetchone():
            try:
                with self._connection.transaction():
                    self._lock(plan)
                    changed += self._remove(plan) + self._write(plan)
            except errors.IntegrityError as error:
                _LOG.warning("%s: a correction was refused: %s", plan.merge.reload.title, error.diag.message_primary)
                plan.run(self._connection, "mark_done", verdict="blocked")
            else:
                plan.run(self._connection, "mark_done", verdict="done")
        return changed

    def _lock(self, plan: ConfirmPlan) -> None:
        plan.run(self._connection, "lock_rows", verdicts=["update", "delete", "soft_delete"])

    def _remove(self, plan: ConfirmPlan) -> int:
        counts = self._counts(plan)
        deleted = marked = 0
        if counts.get("delete"):
            deleted = plan.run(self._connection, "delete_rows").rowcount
        if counts.get("soft_delete"):
            marked = plan.run(self._connection, "soft_delete_rows", plan.soft_delete_parts()).rowcount
        self._require(plan, deleted + marked, counts.get("delete", 0) + counts.get("soft_delete", 0))
        self._note(plan, deleted=deleted, updated=marked)
        return deleted + marked

    def _write(self, plan: ConfirmPlan) -> int:
        counts = self._counts(plan)
        updated = inserted = 0
        if expected := counts.get("update", 0):
            updated = plan.run(self._connection, "update_rows").rowcount
            self._require(plan, updated, expected)
        if counts.get("insert"):
            row = plan.run(self._connection, "insert_rows").fetchone()
            assert row is not None
            inserted = row[0]
        if updated or inserted:
            plan.run(self._connection, "note_written")
        self._note(plan, inserted=inserted, updated=updated)
        return int(updated + inserted)

    def _note(self, plan: ConfirmPlan, *, inserted: int = 0, updated: int = 0, deleted: int = 0) -> None:
        run(
            self._connection,
            "ledger/add_corrections",
            reload_id=plan.merge.reload.reload_id,
            table_name=plan.merge.table.name,
            inserted=inserted,
            updated=updated,
            deleted=deleted,
        )

    def _counts(self, plan: ConfirmPlan) -> dict[str, int]:
        return dict(plan.run(self._connection, "count_verdicts").fetchall())

    @staticmethod
    def _require(plan: ConfirmPlan, done: int, expected: int) -> None:
        if done != expected:
            raise MergeFailed(
                f"{plan.merge.reload.title}: {expected - done} of {expected} rows of {plan.merge.table.target} could "
                "not be corrected, because a trigger of production turned them away; nothing was changed."
            )
