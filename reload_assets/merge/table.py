"""Merges one table inside the caller's transaction: judge, lock, audit, insert, update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from psycopg import Connection

from reload_assets.errors.merge import TurnedAway
from reload_assets.merge.holders import withhold_takers
from reload_assets.merge.preconditions import count_verified, refuse_parentless
from reload_assets.merge.result import Outcomes
from reload_assets.merge.side_effects import Effects
from reload_assets.merge.statements import EVERY_KEY, MergeStatements
from reload_assets.merge.unique_swaps import UniqueSwaps
from reload_assets.merge.withhold import Reread, withhold_rows
from reload_assets.postgres.session import analyze, prefer_hash_joins, reading_elsewhere
from reload_assets.postgres.statements import run

TO_WRITE = ["inserted", "updated", "repaired"]
"""The outcomes of the rows that a merge writes."""


class TableMerge:
    """The merge of one table of a reload, or of a chunk of it, within one transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        statements: MergeStatements,
        merged: Mapping[str, MergeStatements],
        later: Collection[str],
        reread: Reread | None,
        fenced: bool,
    ) -> None:
        """``merged``: the reload's production tables before this one. ``later``: this one and those after it.

        ``fenced``: CDC is stopped. Then a row that the source still has as it was loaded is what CDC would write, too,
        so every row is compared with the source.
        """
        self._connection = connection
        self._statements = statements
        self._merged, self._later = merged, later
        self._reread = reread
        self._fenced = fenced
        self._moved = UniqueSwaps(connection, statements)
        self._effects = Effects(connection, statements)
        self._triggers = statements.table.production.triggers

    def run(self) -> Outcomes:
        """Merge the rows and write their outcomes into the ledger. Raises MergeFailed and psycopg's errors."""
        selected, started_at = self._count_staged()
        self._statements.run(self._connection, "2_judge:judge_rows")
        analyze(self._connection, None, self._statements.delta)
        counts = self._count(self._statements)
        if counts and self._leave_out():
            counts = self._count(self._statements)
        if any(counts.get(outcome) for outcome in TO_WRITE):
            with self._effects.nobody_follows():
                counts = self._write_locked(counts) if self._moved.possible else self._write_seen(counts)
            if self._triggers:
                self._require_taken(self._statements)
        identical = selected - sum(counts.values()) + counts.pop("identical", 0)
        outcomes = Outcomes(identical=identical, **counts)
        self._advance_sequences()
        run(
            self._connection,
            "ledger/merge:add_outcomes",
            reload_id=self._statements.reload.reload_id,
            table_name=self._statements.table.name,
            started_at=started_at,
            merged_through=self._statements.keys.upto,
            **{field.name: getattr(outcomes, field.name) for field in fields(outcomes)},
        )
        return outcomes

    def _leave_out(self) -> bool:
        """Remove from the delta the rows that the source no longer has. Returns whether the delta may have changed.

        If the source deleted a parent since the load, it deleted the children before that. Raises MergeFailed if
        the source still has a child: then its parent is missing in production.
        """
        table = self._statements.table
        changed = False
        if self._fenced and self._reread:
            self._withhold(self._reread, TO_WRITE)
            changed = True
        if withhold_takers(self._connection, self._statements):
            changed = True
        for key in table.production.foreign_keys:
            parent = key.parent_in(self._merged)
            in_reload = parent is not None
            pieces = self._statements.parent_pieces(key, self._merged[parent] if parent else None)
            if pieces is None or key.parent_in(self._later):
                continue
            if self._statements.run(self._connection, "2_judge:mark_parentless", pieces).rowcount:
                if in_reload:
                    self._statements.run(self._connection, "2_judge:withhold_children", pieces)
                if self._reread:
                    self._withhold(self._reread, ["parentless"])
                found = self._statements.run(self._connection, "2_judge:count_parentless", pieces).fetchone()
                refuse_parentless(self._statements, key, found, in_reload)
                changed = True
        return changed

    def _withhold(self, reread: Reread, outcomes: Sequence[str]) -> None:
        with reading_elsewhere(self._connection):
            withhold_rows(self._connection, self._statements, reread, outcomes)

    def _count_staged(self) -> tuple[int, datetime]:
        if self._statements.keys == EVERY_KEY:
            return count_verified(self._connection, self._statements)
        row = self._statements.run(self._connection, "1_preconditions:count_staged").fetchone()
        assert row is not None
        return row[1], row[2]

    def _write_seen(self, planned: dict[str, int]) -> dict[str, int]:
        """Write each judged row that is still the row version that was judged. Returns rows by outcome.

        The others are late: they are locked, judged again, and then updated.
        """
        self._effects.require_unreferred(self._statements)
        written = 0
        if planned.get("inserted"):
            written += self._statements.run(self._connection, "3_write:insert_rows").rowcount
        if planned.get("updated") or planned.get("repaired"):
            written += self._statements.run(self._connection, "3_write:update_judged_rows").rowcount
        expected = sum(planned.get(outcome, 0) for outcome in TO_WRITE)
        if written == expected:
            return planned
        with prefer_hash_joins(self._connection):
            self._statements.run(self._connection, "3_write:create_late")
            self._statements.run(self._connection, "3_write:remove_late")
        late = replace(self._statements, only_late=True)
        late.run(self._connection, "3_write:lock_rows", judged=TO_WRITE)
        self._require_none_turned_away(late, every_row=True)
        self._effects.require_unreferred(late)
        judged = self._count(late)
        if to_update := judged.get("updated", 0) + judged.get("repaired", 0):
            self._update(late, to_update)
            if self._triggers:
                self._require_taken(late)
        return dict(Counter(self._count(self._statements)) + Counter(judged))

    def _write_locked(self, planned: dict[str, int]) -> dict[str, int]:
        """Lock the rows, make them give up unique values, then write them. Returns rows by outcome."""
        self._moved.lock_if_needed()
        self._lock("updated", "repaired")
        self._effects.require_unreferred(self._statements)
        self._moved.let_go()
        if planned.get("inserted"):
            inserted = self._statements.run(self._connection, "3_write:insert_rows").rowcount
            if inserted < planned["inserted"]:
                with prefer_hash_joins(self._connection):
                    self._statements.run(self._connection, "4_unique_swaps:mark_lost_rows")
                self._lock("lost")
                self._require_none_turned_away(self._statements, every_row=False)
                self._effects.require_unreferred(self._statements)
                self._moved.let_go()
        locked = self._count(self._statements)
        to_update = locked.get("updated", 0) + locked.get("repaired", 0)
        if to_update:
            self._update(self._statements, to_update, any_moved=self._moved.any_moved)
        return locked

    def _lock(self, *judged: str) -> None:
        self._statements.run(self._connection, "3_write:lock_rows", judged=list(judged))

    def _update(self, statements: MergeStatements, expected: int, *, any_moved: bool = False) -> None:
        updated = statements.run(self._connection, "3_write:update_rows", any_moved=any_moved).rowcount
        if updated != expected:
            raise self._turned_away(
                f"{expected - updated} of {expected} rows of {self._statements.table.target} could not be updated"
            )

    def _require_none_turned_away(self, statements: MergeStatements, *, every_row: bool) -> None:
        """Raise MergeFailed for rows that were not returned as written, unless a concurrent writer came first.

        ``every_row``: check updated rows too; otherwise only those that were to be inserted.
        """
        row = statements.run(self._connection, "5_effects:find_turned_away", every_row=every_row).fetchone()
        assert row is not None
        elsewhere, missing = row
        if elsewhere:
            raise self._turned_away(
                f"the staged row {self._statements.key_of(elsewhere)} of {self._statements.table.target} was written "
                "by a trigger instead"
            )
        if missing and any(trigger.on_insert and trigger.turns_away for trigger in self._triggers):
            # Another writer may have inserted the row first and deleted it since, but hardly does so twice.
            again = all(self._is_turned_away(statements) for _ in range(2))
            if again:
                raise self._turned_away(
                    f"the staged row {self._statements.key_of(missing)} of {self._statements.table.target} "
                    "was not inserted"
                )

    def _is_turned_away(self, statements: MergeStatements) -> bool:
        with self._connection.transaction(force_rollback=True):
            row = statements.run(self._connection, "5_effects:try_insert").fetchone()
            assert row is not None
            return row[0] is not None

    def _require_taken(self, statements: MergeStatements) -> None:
        """Raise MergeFailed if a trigger moved a written row or gave it another key."""
        row = statements.run(self._connection, "5_effects:find_missing").fetchone()
        if row is not None:
            raise self._turned_away(
                f"the staged row {self._statements.key_of(row[0])} of {self._statements.table.target} is not there "
                "under its key"
            )

    def _turned_away(self, what: str) -> TurnedAway:
        names = ", ".join(f"{trigger.name} of {trigger.table}" for trigger in self._triggers) or "a rule"
        return TurnedAway(self._statements.reload.title, what, names)

    def _count(self, statements: MergeStatements) -> dict[str, int]:
        return dict(statements.run(self._connection, "2_judge:count_outcomes").fetchall())

    def _advance_sequences(self) -> None:
        for sequence, pieces in self._statements.sequences():
            self._statements.run(self._connection, "5_effects:advance_sequence", pieces, sequence=sequence)
