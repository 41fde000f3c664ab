"""Merges one table inside the caller's transaction: judge, lock, audit, insert, update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from psycopg import Connection

from reload_assets.errors.merge import TurnedAway
from reload_assets.merge.preconditions import count_verified, refuse_parentless
from reload_assets.merge.result import Outcomes
from reload_assets.merge.side_effects import Effects
from reload_assets.merge.statements import EVERY_KEY, MergeStatements
from reload_assets.merge.unique_swaps import UniqueSwaps
from reload_assets.merge.withhold import Reread, withhold_rows
from reload_assets.postgres.session import analyze, prefer_hash_joins, reading_elsewhere
from reload_assets.postgres.statements import run

TO_WRITE = ["inserted", "updated", "repaired"]
"""The outcomes of rows that are written."""


class TableMerge:
    """One table of a reload, or a chunk of it, on its way into production, within one transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        plan: MergeStatements,
        merged: Collection[str],
        later: Collection[str],
        reread: Reread | None,
        fenced: bool,
    ) -> None:
        """``merged`` and ``later``: the production tables of the reload that come before this one, and the others.

        ``fenced``: CDC is stopped, so that a row which the source still has as it was loaded is what CDC has, too;
        every row is held against the source then.
        """
        self._connection = connection
        self._plan = plan
        self._merged, self._later = merged, later
        self._reread = reread
        self._fenced = fenced
        self._moved = UniqueSwaps(connection, plan)
        self._effects = Effects(connection, plan)
        self._triggers = plan.table.production.triggers

    def run(self) -> Outcomes:
        """Merge the plan's rows and note their outcomes in the ledger. Raises MergeFailed and psycopg's errors."""
        in_window, started_at = self._count_staged()
        self._plan.run(self._connection, "2_judge:judge_rows")
        analyze(self._connection, None, self._plan.delta)
        counts = self._count(self._plan)
        if counts and self._leave_out():
            counts = self._count(self._plan)
        if any(counts.get(outcome) for outcome in TO_WRITE):
            with self._effects.nobody_follows():
                counts = self._write_locked(counts) if self._moved.possible else self._write_seen(counts)
            if self._triggers:
                self._require_taken(self._plan)
        identical = in_window - sum(counts.values()) + counts.pop("identical", 0)
        outcomes = Outcomes(identical=identical, **counts)
        self._advance_sequences()
        run(
            self._connection,
            "ledger/merge:add_outcomes",
            reload_id=self._plan.reload.reload_id,
            table_name=self._plan.table.name,
            started_at=started_at,
            merged_through=self._plan.keys.upto,
            **{field.name: getattr(outcomes, field.name) for field in fields(outcomes)},
        )
        return outcomes

    def _leave_out(self) -> bool:
        """Take out of the delta what the source no longer has; whether anything may have changed in it.

        Where a parent was deleted in the source since the load, its children were before it. Raises MergeFailed for
        one that the source still has: its parent is missing in production.
        """
        table = self._plan.table
        changed = False
        if self._fenced and self._reread:
            self._withhold(self._reread, TO_WRITE)
            changed = True
        for key in table.production.foreign_keys:
            parent = key.parent
            in_reload = parent in self._merged
            pieces = self._plan.parent_pieces(key, None)
            if pieces is None or parent in self._later:
                continue
            if self._plan.run(self._connection, "2_judge:mark_parentless", pieces).rowcount:
                if self._reread:
                    self._withhold(self._reread, ["parentless"])
                found = self._plan.run(self._connection, "2_judge:count_parentless", pieces).fetchone()
                refuse_parentless(self._plan, key, found, in_reload)
                changed = True
        return changed

    def _withhold(self, reread: Reread, outcomes: Sequence[str]) -> None:
        with reading_elsewhere(self._connection):
            withhold_rows(self._connection, self._plan, reread, outcomes)

    def _count_staged(self) -> tuple[int, datetime]:
        if self._plan.keys == EVERY_KEY:
            return count_verified(self._connection, self._plan)
        row = self._plan.run(self._connection, "1_preconditions:count_staged").fetchone()
        assert row is not None
        return row[1], row[2]

    def _write_seen(self, planned: dict[str, int]) -> dict[str, int]:
        """Each row in one go: what was judged is written where it still is the same row version; the outcomes.

        Those that are not are late: they are locked, judged again and updated in the second place.
        """
        self._effects.require_unreferred(self._plan)
        written = 0
        if planned.get("inserted"):
            written += self._plan.run(self._connection, "3_write:insert_rows").rowcount
        if planned.get("updated") or planned.get("repaired"):
            written += self._plan.run(self._connection, "3_write:update_judged_rows").rowcount
        expected = sum(planned.get(outcome, 0) for outcome in TO_WRITE)
        if written == expected:
            return planned
        with prefer_hash_joins(self._connection):
            self._plan.run(self._connection, "3_write:create_late")
            self._plan.run(self._connection, "3_write:remove_late")
        late = replace(self._plan, only_late=True)
        late.run(self._connection, "3_write:lock_rows", judged=TO_WRITE)
        self._require_none_turned_away(late, every_row=True)
        self._effects.require_unreferred(late)
        judged = self._count(late)
        if to_update := judged.get("updated", 0) + judged.get("repaired", 0):
            self._update(late, to_update)
            if self._triggers:
                self._require_taken(late)
        return dict(Counter(self._count(self._plan)) + Counter(judged))

    def _write_locked(self, planned: dict[str, int]) -> dict[str, int]:
        """Lock the rows first: they let go of unique values between that and their update; the outcomes."""
        self._moved.lock_if_needed()
        self._lock("updated", "repaired")
        self._effects.require_unreferred(self._plan)
        self._moved.let_go()
        if planned.get("inserted"):
            inserted = self._plan.run(self._connection, "3_write:insert_rows").rowcount
            if inserted < planned["inserted"]:
                with prefer_hash_joins(self._connection):
                    self._plan.run(self._connection, "4_unique_swaps:mark_lost_rows")
                self._lock("lost")
                self._require_none_turned_away(self._plan, every_row=False)
                self._effects.require_unreferred(self._plan)
                self._moved.let_go()
        locked = self._count(self._plan)
        to_update = locked.get("updated", 0) + locked.get("repaired", 0)
        if to_update:
            self._update(self._plan, to_update, any_moved=self._moved.any_moved)
        return locked

    def _lock(self, *judged: str) -> None:
        self._plan.run(self._connection, "3_write:lock_rows", judged=list(judged))

    def _update(self, plan: MergeStatements, expected: int, *, any_moved: bool = False) -> None:
        updated = plan.run(self._connection, "3_write:update_rows", any_moved=any_moved).rowcount
        if updated != expected:
            raise self._turned_away(
                f"{expected - updated} of {expected} rows of {self._plan.table.target} could not be updated"
            )

    def _require_none_turned_away(self, plan: MergeStatements, *, every_row: bool) -> None:
        """Raises MergeFailed for rows that were not returned as written, unless a concurrent writer was there first.

        ``every_row``: of the updated ones, too; else of those only that were to be inserted.
        """
        row = plan.run(self._connection, "5_effects:find_turned_away", every_row=every_row).fetchone()
        assert row is not None
        elsewhere, missing = row
        if elsewhere:
            raise self._turned_away(
                f"the staged row {self._plan.key_of(elsewhere)} of {self._plan.table.target} was written by a trigger "
                "instead"
            )
        if missing and any(trigger.on_insert and trigger.turns_away for trigger in self._triggers):
            # A writer who inserted the row first and deleted it since does not do so twice.
            again = all(self._is_turned_away(plan) for _ in range(2))
            if again:
                raise self._turned_away(
                    f"the staged row {self._plan.key_of(missing)} of {self._plan.table.target} was not inserted"
                )

    def _is_turned_away(self, plan: MergeStatements) -> bool:
        with self._connection.transaction(force_rollback=True):
            row = plan.run(self._connection, "5_effects:try_insert").fetchone()
            assert row is not None
            return row[0] is not None

    def _require_taken(self, plan: MergeStatements) -> None:
        """Raises MergeFailed where a trigger has moved a row that was written, or has given it another key."""
        row = plan.run(self._connection, "5_effects:find_missing").fetchone()
        if row is not None:
            raise self._turned_away(
                f"the staged row {self._plan.key_of(row[0])} of {self._plan.table.target} is not there under its key"
            )

    def _turned_away(self, what: str) -> TurnedAway:
        names = ", ".join(f"{trigger.name} of {trigger.table}" for trigger in self._triggers) or "a rule"
        return TurnedAway(self._plan.reload.title, what, names)

    def _count(self, plan: MergeStatements) -> dict[str, int]:
        return dict(plan.run(self._connection, "2_judge:count_outcomes").fetchall())

    def _advance_sequences(self) -> None:
        for sequence, pieces in self._plan.sequences():
            self._plan.run(self._connection, "5_effects:advance_sequence", pieces, sequence=sequence)
