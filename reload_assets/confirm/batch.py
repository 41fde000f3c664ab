"""Makes the corrections that are released, within the caller's transaction: lock, look, audit, write, check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.confirm.refusals import Refusal, followed, newly_followed, one_stays, turned_away
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.errors.merge import Unsafe
from reload_assets.merge.judge import written_columns
from reload_assets.merge.side_effects import (
    Followed,
    acts_on_delete,
    acts_on_update,
    changes,
    child_parts,
    nobody_follows,
    require_readable,
)
from reload_assets.merge.unique_swaps import UniqueSwaps
from reload_assets.postgres.catalog import Reference
from reload_assets.postgres.statements import Part, run
from reload_assets.soft_delete import alive


def make_corrections(connection: Connection[Any], plans: Sequence[ConfirmStatements], *, moving: bool) -> int:
    """Make the released corrections of the plans' tables; how many rows were changed.

    Children before parents where rows are deleted, parents before children where they are written. ``moving``: unique
    values may move between the rows. Rows that others refer to and would follow are refused, each with its reason.
    Raises Refusal where production takes some rows otherwise than they were to be, Contention, and psycopg's errors:
    then the caller rolls back.
    """
    run(connection, "merge/defer_constraints")
    batches = [_Batch(connection, plan) for plan in plans]
    for batch in reversed(batches):
        batch.lock(moving)
    changed = sum(batch.remove(wait=moving) for batch in reversed(batches))
    changed += sum(batch.write() for batch in batches)
    # Constraints that would wait for the commit are asked now, while there is something to be said about the rows.
    run(connection, "merge/check_constraints")
    for batch in batches:
        batch.end()
    return changed


class _Batch:
    """The released corrections of one table."""

    def __init__(self, connection: Connection[Any], plan: ConfirmStatements) -> None:
        self._connection, self._plan = connection, plan
        self._table = plan.merge.table
        self._moved: UniqueSwaps | None = None

    def lock(self, moving: bool) -> None:
        """Lock the rows; put those off that are not what was seen, and refuse those that do not fit."""
        self._run("refuse_unfit")
        if moving:
            moved = UniqueSwaps(self._connection, self._plan.merge)
            if moved.possible:
                self._moved = moved
                self._create_moving()
                moved.lock_if_needed()
                self._drop_moving()
        self._run("lock_rows")

    def remove(self, *, wait: bool) -> int:
        """Delete rows, or mark them as deleted. ``wait``: rows that refer to them may be written before the end."""
        deleted = self._delete(wait) if self._count("delete") else 0
        marked = self._mark() if self._count("soft_delete") else 0
        if deleted or marked:
            self._require_taken()
            self._note(deleted=deleted, updated=marked)
        return deleted + marked

    def write(self) -> int:
        """Update and insert rows."""
        if self._count("update"):
            self._refuse_followed_updates()
        updates, inserts = self._count("update"), self._count("insert")
        updated = inserted = 0
        if self._moved and (updates or inserts):
            self._create_moving()
        if updates:
            updated = self._update()
        if inserts:
            inserted = self._insert()
        if self._moved and (updates or inserts):
            self._drop_moving()
        if updated or inserted:
            self._require_taken()
            self._run("note_written")
            self._note(inserted=inserted, updated=updated)
        return updated + inserted

    def end(self) -> None:
        """The corrections are made."""
        self._run("end_batch")

    def _refuse_followed_updates(self) -> None:
        columns = written_columns(self._table)
        new = [self._plan.in_row(column) for column in columns]
        mark = self._table.options.soft_delete_column
        for reference in self._acts_on_update():
            condition = changes(columns, reference, new)
            if mark in reference.parent_columns:
                # The mark is taken back.
                condition = sql.SQL("({} OR NOT {})").format(condition, alive(self._plan.merge.table))
            reason = self._refuse_followed(reference, "update", condition)
            if reason and self._moved:
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
        looked_at = acting if wait else [*acting, *(reference for reference in every if reference not in acting)]
        while any(self._refuse_followed(reference, "delete", sql.SQL("true")) for reference in looked_at):
            pass
        audited = self._audit("delete")
        own = [reference for reference in acting if self._is_own(reference)]
        others = [reference for reference in acting if not self._is_own(reference)]
        return self._write_audited("delete_rows", audited, others, own)

    def _mark(self) -> int:
        parts = self._plan.soft_delete_parts()
        acting = acts_on_update(self._table, [self._table.options.soft_delete_column or ""])
        for reference in acting:
            self._refuse_followed(reference, "soft_delete", sql.SQL("true"))
        others = [reference for reference in acting if not self._is_own(reference)]
        return self._write_audited("soft_delete_rows", self._audit("soft_delete"), others, (), parts)

    def _update(self) -> int:
        audited = self._audit("update")
        others = [reference for reference in self._acts_on_update() if not self._is_own(reference)]
        try:
            with nobody_follows(self._connection, others):
                if self._moved:
                    # Parking a value changes rows, which are in the audit by now.
                    self._moved.let_go()
                updated = self._run("update_rows").rowcount
        except Followed:
            raise Refusal(newly_followed()) from None
        except Unsafe as error:
            raise Refusal(error.reason) from None
        if updated != audited:
            raise Refusal(turned_away(self._table))
        return int(updated)

    def _insert(self) -> int:
        row = self._run("insert_rows").fetchone()
        assert row is not None
        inserted, made = row
        triggers = self._table.production.triggers
        none_can = not any(trigger.on_insert and trigger.turns_away for trigger in triggers)
        self._run("put_off_inserts", absent_too=none_can)
        if inserted != made or self._count("insert"):
            raise Refusal(turned_away(self._table))
        return int(inserted)

    def _write_audited(
        self,
        statement: str,
        audited: int,
        others: Sequence[Reference],
        own: Sequence[Reference],
        parts: dict[str, Part] | None = None,
    ) -> int:
        """Execute a statement that must write the audited rows and, by foreign keys that act, no other ones."""
        try:
            with nobody_follows(self._connection, others), nobody_follows(self._connection, own, beside=audited):
                written = self._run(statement, parts).rowcount
        except Followed:
            raise Refusal(newly_followed()) from None
        if written != audited:
            raise Refusal(turned_away(self._table))
        return int(written)

    def _refuse_followed(self, reference: Reference, verdict: str, condition: sql.Composable) -> str | None:
        """Refuse the rows that others refer to and would follow; the reason for one of them, or None."""
        require_readable(self._table, reference)
        stays: sql.Composable = sql.SQL("true")
        if verdict == "delete" and self._is_own(reference):
            stays = sql.SQL("NOT EXISTS (SELECT 1 FROM {} AS s WHERE s.verdict = 'delete' AND {})").format(
                sql.Identifier(self._plan.keys), self._plan.same_child_key()
            )
        event = "DELETE" if verdict == "delete" else "UPDATE"
        row = self._run(
            "refuse_followed",
            {**child_parts(reference), "changes": condition, "stays": stays},
            verdict=verdict,
            reason=followed(reference, event),
        ).fetchone()
        return row[0] if row else None

    def _is_own(self, reference: Reference) -> bool:
        return reference.child == self._table.target

    def _require_taken(self) -> None:
        if self._table.production.triggers and self._run("find_untaken").fetchone():
            raise Refusal(turned_away(self._table))

    def _audit(self, verdict: str) -> int:
        return self._run("audit_rows", verdict=verdict).rowcount

    def _create_moving(self) -> None:
        self._run("create_moving", verdicts=["insert", "update"])
        self._plan.merge.run(self._connection, "analyze_delta")

    def _drop_moving(self) -> None:
        self._run("drop_moving")

    def _note(self, *, inserted: int = 0, updated: int = 0, deleted: int = 0) -> None:
        run(
            self._connection,
            "ledger/add_corrections",
            reload_id=self._plan.merge.reload.reload_id,
            table_name=self._table.name,
            inserted=inserted,
            updated=updated,
            deleted=deleted,
        )

    def _count(self, verdict: str) -> int:
        return int(dict(self._run("count_verdicts").fetchall()).get(verdict, 0))

    def _run(self, name: str, parts: dict[str, Part] | None = None, **values: Any) -> Any:
        return self._plan.run(self._connection, name, parts, **values)
