"""Makes the corrections that are released, within the caller's transaction: lock, audit, write, check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.confirm.pieces import FollowedPieces
from reload_assets.confirm.refusals import Refusal, followed, newly_followed, one_stays, turned_away
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.confirm.verdicts import Correction, Verdict
from reload_assets.errors.merge import Unsafe
from reload_assets.merge.judge import written_columns
from reload_assets.merge.side_effects import (
    Followed,
    acts_on_delete,
    acts_on_update,
    changes,
    child_pieces,
    nobody_follows,
    require_readable,
)
from reload_assets.merge.unique_swaps import UniqueSwaps
from reload_assets.postgres.catalog import Reference
from reload_assets.postgres.session import analyze, check_constraints, defer_constraints, drop_table
from reload_assets.postgres.statements import Parts, run
from reload_assets.soft_delete import alive


def make_corrections(connection: Connection[Any], plans: Sequence[ConfirmStatements], *, swapping: bool) -> int:
    """Make the released corrections of the plans' tables. Returns how many rows were changed.

    Children before parents where rows are deleted, parents before children where they are written. ``swapping``:
    unique values may move between the rows. Rows that others refer to and would follow are refused, each with its
    reason. Raises Refusal where production takes some rows otherwise than they were to be, Contention, and psycopg's
    errors: then the caller rolls back.
    """
    defer_constraints(connection)
    batches = [_Batch(connection, plan) for plan in plans]
    for batch in reversed(batches):
        batch.lock(swapping)
    changed = sum(batch.remove(wait=swapping) for batch in reversed(batches))
    changed += sum(batch.write() for batch in batches)
    # Constraints that would wait for the commit are asked now, while there is something to be said about the rows.
    check_constraints(connection)
    for batch in batches:
        batch.end()
    return changed


class _Batch:
    """The released corrections of one table."""

    def __init__(self, connection: Connection[Any], plan: ConfirmStatements) -> None:
        self._connection, self._plan = connection, plan
        self._table = plan.merge.table
        self._swaps: UniqueSwaps | None = None

    def lock(self, swapping: bool) -> None:
        """Lock the rows; put those off that are not what was noted, and refuse those that do not fit."""
        self._run("6_correct:refuse_unfit")
        if swapping:
            swaps = UniqueSwaps(self._connection, self._plan.merge)
            if swaps.possible:
                self._swaps = swaps
                self._create_delta()
                swaps.lock_if_needed()
                self._drop_delta()
        self._run("6_correct:lock_rows")

    def remove(self, *, wait: bool) -> int:
        """Delete rows, or mark them as deleted. Returns how many. ``wait``: referring rows may be written later."""
        deleted = self._delete(wait) if self._count(Verdict.DELETE) else 0
        marked = self._mark() if self._count(Verdict.SOFT_DELETE) else 0
        if deleted or marked:
            self._require_taken()
            self._note(deleted=deleted, updated=marked)
        return deleted + marked

    def write(self) -> int:
        """Update and insert rows. Returns how many."""
        if self._count(Verdict.UPDATE):
            self._refuse_followed_updates()
        updates, inserts = self._count(Verdict.UPDATE), self._count(Verdict.INSERT)
        updated = inserted = 0
        if self._swaps and (updates or inserts):
            self._create_delta()
        if updates:
            updated = self._update()
        if inserts:
            inserted = self._insert()
        if self._swaps and (updates or inserts):
            self._drop_delta()
        if updated or inserted:
            self._require_taken()
            self._run("6_correct:note_written")
            self._note(inserted=inserted, updated=updated)
        return updated + inserted

    def end(self) -> None:
        """Note that the corrections are made."""
        self._run("6_correct:end_batch")

    def _refuse_followed_updates(self) -> None:
        columns = written_columns(self._table)
        new = [self._plan.in_row(column) for column in columns]
        mark = self._table.options.soft_delete_column
        for reference in self._acts_on_update():
            condition = changes(columns, reference, new)
            if mark in reference.parent_columns:
                # The mark is taken back.
                condition = sql.SQL("({} OR NOT {})").format(condition, alive(self._plan.merge.table))
            reason = self._refuse_followed(reference, Verdict.UPDATE, condition)
            if reason and self._swaps:
                # What others were to take over it keeps.
                raise Refusal(one_stays(reason))

    def _acts_on_update(self) -> list[Reference]:
        mark = self._table.options.soft_delete_column
        names = [column.name for column in written_columns(self._table)]
        return acts_on_update(self._table, [*names, mark] if mark else names)

    def _delete(self, wait: bool) -> int:
        acting = acts_on_delete(self._table)
        # Those that do not act would refuse the whole batch because of one row.
        every = [reference for reference in self._table.production.referenced_by if reference.child_readable]
        # A row is refused because of another one of its own table that stays, which may be refused in the next round.
        checked = acting if wait else [*acting, *(reference for reference in every if reference not in acting)]
        while any(self._refuse_followed(reference, Verdict.DELETE, sql.SQL("true")) for reference in checked):
            pass
        audited = self._audit(Verdict.DELETE)
        own = [reference for reference in acting if self._is_own(reference)]
        others = [reference for reference in acting if not self._is_own(reference)]
        return self._write_audited("6_correct:delete_rows", audited, others, own)

    def _mark(self) -> int:
        mark = self._plan.mark_pieces()
        acting = acts_on_update(self._table, [self._table.options.soft_delete_column or ""])
        for reference in acting:
            self._refuse_followed(reference, Verdict.SOFT_DELETE, sql.SQL("true"))
        others = [reference for reference in acting if not self._is_own(reference)]
        return self._write_audited("6_correct:soft_delete_rows", self._audit(Verdict.SOFT_DELETE), others, (), mark)

    def _update(self) -> int:
        audited = self._audit(Verdict.UPDATE)
        others = [reference for reference in self._acts_on_update() if not self._is_own(reference)]
        try:
            with nobody_follows(self._connection, others):
                if self._swaps:
                    # Parking a value changes rows, which are in the audit by now.
                    self._swaps.let_go()
                updated = self._run("6_correct:update_rows").rowcount
        except Followed:
            raise Refusal(newly_followed()) from None
        except Unsafe as error:
            raise Refusal(error.reason) from None
        if updated != audited:
            raise Refusal(turned_away(self._table))
        return int(updated)

    def _insert(self) -> int:
        row = self._run("6_correct:insert_rows").fetchone()
        assert row is not None
        inserted, made = row
        triggers = self._table.production.triggers
        none_can = not any(trigger.on_insert and trigger.turns_away for trigger in triggers)
        self._run("6_correct:put_off_inserts", absent_too=none_can)
        if inserted != made or self._count(Verdict.INSERT):
            raise Refusal(turned_away(self._table))
        return int(inserted)

    def _write_audited(
        self,
        name: str,
        audited: int,
        others: Sequence[Reference],
        own: Sequence[Reference],
        *more: Parts,
    ) -> int:
        """Execute a statement that must write the audited rows and, by foreign keys that act, no other ones."""
        try:
            with nobody_follows(self._connection, others), nobody_follows(self._connection, own, beside=audited):
                written = self._run(name, *more).rowcount
        except Followed:
            raise Refusal(newly_followed()) from None
        if written != audited:
            raise Refusal(turned_away(self._table))
        return int(written)

    def _refuse_followed(self, reference: Reference, verdict: Verdict, condition: sql.Composable) -> str | None:
        """Refuse the rows that others refer to and would follow. Returns the reason for one of them, or None."""
        require_readable(self._table, reference)
        stays: sql.Composable = sql.SQL("true")
        if verdict == Verdict.DELETE and self._is_own(reference):
            stays = sql.SQL(
                "NOT EXISTS (SELECT 1 FROM {} AS child"
                " WHERE child.correction = 'released' AND child.verdict = 'delete' AND {})"
            ).format(sql.Identifier(self._plan.keys), self._plan.is_own_child("child"))
        event = "DELETE" if verdict == Verdict.DELETE else "UPDATE"
        row = self._run(
            "6_correct:refuse_followed",
            child_pieces(reference),
            FollowedPieces(r_changes_p=condition, c_stays=stays),
            verdict=verdict.value,
            refusal=followed(reference, event),
        ).fetchone()
        return row[0] if row else None

    def _is_own(self, reference: Reference) -> bool:
        return reference.child == self._table.target

    def _require_taken(self) -> None:
        if self._table.production.triggers and self._run("6_correct:find_untaken").fetchone():
            raise Refusal(turned_away(self._table))

    def _audit(self, verdict: Verdict) -> int:
        return self._run("6_correct:audit_rows", verdict=verdict.value).rowcount

    def _create_delta(self) -> None:
        self._run("6_correct:create_delta", correction=Correction.RELEASED.value)
        analyze(self._connection, None, self._plan.merge.delta)

    def _drop_delta(self) -> None:
        drop_table(self._connection, None, self._plan.merge.delta)

    def _note(self, *, inserted: int = 0, updated: int = 0, deleted: int = 0) -> None:
        run(
            self._connection,
            "ledger/confirm:add_corrections",
            reload_id=self._plan.merge.reload.reload_id,
            table_name=self._table.name,
            inserted=inserted,
            updated=updated,
            deleted=deleted,
        )

    def _count(self, verdict: Verdict) -> int:
        return int(dict(self._run("6_correct:count_released").fetchall()).get(verdict.value, 0))

    def _run(self, name: str, *more: Parts, **values: Any) -> Any:
        return self._plan.run(self._connection, name, *more, **values)
