"""Makes the released corrections within the caller's transaction: lock, audit, write, check."""

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


def make_corrections(
    connection: Connection[Any], all_statements: Sequence[ConfirmStatements], *, swapping: bool
) -> int:
    """Make the released corrections of all tables. Returns how many rows were changed.

    Children are deleted before parents, and parents written before children. ``swapping``: unique values may move
    between the rows. A row is refused, with its reason, if a correction would make referring rows follow it. Raises
    Refusal if production changes a row otherwise than asked, Contention, and psycopg's errors: the caller then rolls
    back.
    """
    defer_constraints(connection)
    batches = [_Batch(connection, statements) for statements in all_statements]
    for batch in reversed(batches):
        batch.lock(swapping)
    changed = sum(batch.remove(wait=swapping) for batch in reversed(batches))
    changed += sum(batch.write() for batch in batches)
    # Deferred constraints are checked now, while the refused rows can still be named.
    check_constraints(connection)
    for batch in batches:
        batch.end()
    return changed


class _Batch:
    """The released corrections of one table."""

    def __init__(self, connection: Connection[Any], statements: ConfirmStatements) -> None:
        self._connection, self._statements = connection, statements
        self._table = statements.merge.table
        self._swaps: UniqueSwaps | None = None

    def lock(self, swapping: bool) -> None:
        """Lock the rows. Put off those that have changed since they were noted, and refuse those that do not fit."""
        self._run("6_correct:refuse_unfit")
        if swapping:
            swaps = UniqueSwaps(self._connection, self._statements.merge)
            if swaps.possible:
                self._swaps = swaps
                self._create_delta()
                swaps.lock_if_needed()
                self._drop_delta()
        self._run("6_correct:lock_rows")

    def remove(self, *, wait: bool) -> int:
        """Delete rows, or mark them as deleted. Returns how many. ``wait``: referring rows may be corrected later."""
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
        """Write into the table of keys that the corrections are made."""
        self._run("6_correct:end_batch")

    def _refuse_followed_updates(self) -> None:
        columns = written_columns(self._table)
        new = [self._statements.in_row(column) for column in columns]
        mark = self._table.options.soft_delete_column
        for reference in self._acts_on_update():
            condition = changes(columns, reference, new)
            if mark in reference.parent_columns:
                # An update of a marked row removes its mark.
                condition = sql.SQL("({} OR NOT {})").format(condition, alive(self._statements.merge.table))
            reason = self._refuse_followed(reference, Verdict.UPDATE, condition)
            if reason and self._swaps:
                # The row keeps a value that other rows were to take over, so they cannot be written either.
                raise Refusal(one_stays(reason))

    def _acts_on_update(self) -> list[Reference]:
        mark = self._table.options.soft_delete_column
        names = [column.name for column in written_columns(self._table)]
        return acts_on_update(self._table, [*names, mark] if mark else names)

    def _delete(self, wait: bool) -> int:
        acting = acts_on_delete(self._table)
        # A foreign key that does not act would make PostgreSQL refuse the whole batch because of one row.
        every = [reference for reference in self._table.production.referenced_by if reference.child_readable]
        # A refused row may keep another row of its own table from being deleted. The next round refuses that one.
        checked = acting if wait else [*acting, *(reference for reference in every if reference not in acting)]
        while any(self._refuse_followed(reference, Verdict.DELETE, sql.SQL("true")) for reference in checked):
            pass
        audited = self._audit(Verdict.DELETE)
        own = [reference for reference in acting if self._is_own(reference)]
        others = [reference for reference in acting if not self._is_own(reference)]
        return self._write_audited("6_correct:delete_rows", audited, others, own)

    def _mark(self) -> int:
        mark = self._statements.mark_pieces()
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
                    # Parking a value changes rows, so it comes after their audit.
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
        """Execute a statement that must write the audited rows, and no others by foreign keys that act."""
        try:
            with nobody_follows(self._connection, others), nobody_follows(self._connection, own, beside=audited):
                written = self._run(name, *more).rowcount
        except Followed:
            raise Refusal(newly_followed()) from None
        if written != audited:
            raise Refusal(turned_away(self._table))
        return int(written)

    def _refuse_followed(self, reference: Reference, verdict: Verdict, condition: sql.Composable) -> str | None:
        """Refuse rows whose referring rows would follow them. Returns the reason for one of them, or None."""
        require_readable(self._table, reference)
        stays: sql.Composable = sql.SQL("true")
        if verdict == Verdict.DELETE and self._is_own(reference):
            stays = sql.SQL(
                "NOT EXISTS (SELECT 1 FROM {} AS child"
                " WHERE child.correction = 'released' AND child.verdict = 'delete' AND {})"
            ).format(sql.Identifier(self._statements.keys), self._statements.is_own_child("child"))
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
        analyze(self._connection, None, self._statements.merge.delta)

    def _drop_delta(self) -> None:
        drop_table(self._connection, None, self._statements.merge.delta)

    def _note(self, *, inserted: int = 0, updated: int = 0, deleted: int = 0) -> None:
        run(
            self._connection,
            "ledger/confirm:add_corrections",
            reload_id=self._statements.merge.reload.reload_id,
            table_name=self._table.name,
            inserted=inserted,
            updated=updated,
            deleted=deleted,
        )

    def _count(self, verdict: Verdict) -> int:
        return int(dict(self._run("6_correct:count_released").fetchall()).get(verdict.value, 0))

    def _run(self, name: str, *more: Parts, **values: Any) -> Any:
        return self._statements.run(self._connection, name, *more, **values)
