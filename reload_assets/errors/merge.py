"""Errors of the merge and of a confirm's corrections: the transaction was rolled back, so nothing of it remains."""

from __future__ import annotations

from reload_assets.errors import MergeFailed, sample

_TITLE = "reload 7 of sales 2025-01-03"
_HEAD = f"{_TITLE} is not merged and production is unchanged:"
# The staged rows stay verified: what was in their way is looked at again.
_AGAIN = "then materialize production of the window again."


class RowRefused(MergeFailed):
    """Production refuses a staged row: a constraint, a type, or an exception of a trigger."""

    code = "row-refused"
    advice = (
        "Fix the rule in production and materialize production of the window again, or fix the row in the source and "
        "reload the window."
    )
    example = sample(head=_HEAD, what="production.orders refuses the staged row (id)=(7) (check constraint positive)")

    def __init__(self, head: str, what: str) -> None:
        super().__init__(
            f"{head} {what}; fix the rule in production and materialize production of the window again, or fix the row "
            "in the source and reload the window."
        )


class ValueHeld(MergeFailed):
    """A staged row needs a unique value that a row of production has which the reload did not load."""

    code = "value-held"
    advice = (
        "If the source no longer has the row that holds the value, delete it in production, or set `orphans: delete` "
        "and reload the window; otherwise reload the window of that row first. Then materialize production of the "
        "window again. Where keys are reloaded, list the keys of both rows."
    )
    example = sample(
        head=_HEAD,
        row="(id)=(2) of production.accounts",
        index="accounts_email_key",
        holder="(id)=(1), whose updated_at is 2025-01-02 09:00:00",
        fix="if the source no longer has that row, delete it in production, or set orphans: delete and reload this "
        "window instead; if it has, reload the window of that time first",
    )

    def __init__(self, head: str, row: str, index: str, holder: str, fix: str, *, again: bool = True) -> None:
        super().__init__(
            f"{head} the staged row {row} needs a unique value ({index}) that {holder}, still has, and this reload has "
            f"not loaded that row: {fix}{f'; {_AGAIN}' if again else '.'}"
        )


class PartitionMissing(MergeFailed):
    """A production table has no partition for a staged row."""

    code = "partition-missing"
    advice = (
        "`CREATE TABLE ... PARTITION OF ...` for the values that the message names; then materialize production of the "
        "window again."
    )
    example = sample(
        head=_HEAD,
        table="production.orders",
        said='no partition of relation "orders" found for row Partition key of the failing row contains (id) = (7).',
    )

    def __init__(self, head: str, table: str, said: str) -> None:
        super().__init__(
            f"{head} {table} has no partition for a staged row: {said!r}; create a partition for it, {_AGAIN}"
        )


class ColumnWithoutDefault(MergeFailed):
    """A column of production is NOT NULL and has no default, and the source lacks the column."""

    code = "column-without-default"
    advice = "Give the column a default, then materialize production of the window again."
    example = sample(head=_HEAD, column="production.orders.score")

    def __init__(self, head: str, column: str) -> None:
        super().__init__(
            f"{head} {column} is NOT NULL and has no default, and the source has no such column, so missing rows "
            f"cannot be inserted; give it a default, {_AGAIN}"
        )


class ParentMissing(MergeFailed):
    """Staged rows refer to rows that are neither in production nor staged in this reload."""

    code = "parent-missing"
    advice = (
        "Reload the window in which the parents changed, then materialize production of this one again; or reload this "
        "window with the parent's table."
    )
    example = sample(
        title=_TITLE,
        rows=1,
        table="orders",
        parent="production.customers",
        reference="(id)=(7) wants (id)=(3)",
        fix="reload the window in which the customers changed, then materialize production of this one again",
    )

    def __init__(self, title: str, rows: int, table: str, parent: str, reference: str, fix: str) -> None:
        super().__init__(
            f"{title} is not merged: {rows} staged row(s) of {table} refer to rows of {parent} that are neither in "
            f"production nor staged in this reload, for example {reference}; {fix}."
        )


class MergeStatementFailed(MergeFailed):
    """A statement of the merge failed for a reason other than a row: a missing right, a full disk, a restart."""

    code = "merge-statement-failed"
    advice = "Fix the cause that PostgreSQL names, then materialize production of the window again."
    example = sample(head=_HEAD, said="production.orders: PostgreSQL says 'disk full' (SQLSTATE 53100)")

    def __init__(self, head: str, said: str) -> None:
        super().__init__(f"{head} {said}; fix its cause, {_AGAIN}")


class MergeSessionLost(MergeFailed):
    """The merge's session was lost in the middle of every transaction that it tried."""

    code = "merge-session-lost"
    advice = "Check whether the machine was paused or overloaded, or the network cut; then materialize production."
    example = sample(head=_HEAD, stall_limit_ms=400)

    def __init__(self, head: str, stall_limit_ms: int) -> None:
        super().__init__(
            f"{head} its session was lost in the middle of a transaction, as happens when the process of the run "
            f"freezes for longer than merge.stall_limit_ms ({stall_limit_ms} ms) plus a second: PostgreSQL then "
            f"releases its locks; check whether the machine was paused or overloaded, or the network cut, {_AGAIN}"
        )


class MergeYielded(MergeFailed):
    """Every attempt yielded to another session that had to wait for it, usually CDC."""

    code = "merge-yielded"
    advice = "Merge in chunks (`merge.mode: chunked`), use a fence (`against_cdc: fence`), or reload shorter windows."
    example = sample(head=_HEAD, attempts=10, stall_limit_ms=400)

    def __init__(self, head: str, attempts: int, stall_limit_ms: int) -> None:
        super().__init__(
            f"{head} each of {attempts} attempts yielded to a session that waited {stall_limit_ms} ms for it; raise "
            "merge.stall_limit_ms, set merge.mode: chunked or a smaller merge.chunk_rows, or set against_cdc: fence, "
            "and materialize production of the window again; or reload shorter windows."
        )


class MergeContended(MergeFailed):
    """Every attempt met another transaction: a lock that was not released in time, a deadlock, a concurrent writer."""

    code = "merge-contended"
    advice = (
        "End the other transaction, or reload at a quieter time. `merge.lock_timeout_ms` and `merge.attempts` are the "
        "limits."
    )
    example = sample(
        head=_HEAD, attempts=10, place="production.orders", lock_timeout_ms=200, met="canceling statement due to lock"
    )

    def __init__(self, head: str, attempts: int, place: str, lock_timeout_ms: int, met: str) -> None:
        super().__init__(
            f"{head} each of {attempts} attempts met another transaction, the last one while it waited in {place} for "
            f"at most {lock_timeout_ms} ms ({met}); end that transaction or wait until it has ended, {_AGAIN}"
        )


class CorrectionsContended(MergeFailed):
    """Every attempt of a confirm to make its corrections met another transaction."""

    code = "corrections-contended"
    advice = "End the other transaction, then materialize production of the window again."
    example = sample(title=_TITLE, attempts=10)

    def __init__(self, title: str, attempts: int) -> None:
        super().__init__(
            f"The corrections of {title} met another transaction at each of {attempts} attempts; end that transaction, "
            f"{_AGAIN}"
        )


class TurnedAway(MergeFailed):
    """A trigger or a rule of production prevented a row from being written as the statement said."""

    code = "turned-away"
    advice = "Have the trigger let the login of `target.connection` pass; then materialize production again."
    example = sample(
        title=_TITLE,
        what="1 of 1 rows of production.orders could not be updated",
        triggers="keep_old of production.orders",
    )

    def __init__(self, title: str, what: str, triggers: str) -> None:
        super().__init__(
            f"{title}: {what}, because a trigger of production turned it away ({triggers}); none of that transaction "
            f"was kept. Have the trigger let the login of target.connection pass, {_AGAIN}"
        )


class Unsafe(MergeFailed):
    """A statement would have side effects. ``reason`` says which, and what to do about it."""

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(f"{title} cannot be merged: {reason}, {_AGAIN}")
        self.reason = reason


class RowsWouldFollow(Unsafe):
    """A merge would change a value to which other rows refer, and a foreign key would change those unaudited."""

    code = "rows-would-follow"
    advice = "Delete the referring rows, or let them refer to another row; then materialize production again."
    example = sample(
        title=_TITLE,
        rows=1,
        table="production.logins",
        child="production.sessions",
        acts="sessions_login_fkey, ON UPDATE CASCADE",
        key="(id)=(1)",
    )

    def __init__(self, title: str, rows: int, table: str, child: str, acts: str, key: str) -> None:
        super().__init__(
            title,
            f"{rows} row(s) of {table} would change a value to which rows of {child} refer, and a foreign key would "
            f"change those unaudited ({acts}), for example from {key}; delete the referring rows, or let them refer to "
            "another row",
        )


class ValuesSwap(Unsafe):
    """Unique values move between rows, which would have to be deleted for that, and a foreign key acts on deletes."""

    code = "values-swap"
    advice = "Make the unique constraint DEFERRABLE; then materialize production of the window again."
    example = sample(
        title=_TITLE, constraint="orders_number_key", table="production.orders", key="(id)=(1)", foreign_key="items_fk"
    )

    def __init__(self, title: str, constraint: str, table: str, key: str, foreign_key: str) -> None:
        super().__init__(
            title,
            f"values of {constraint} of {table} move between rows, for example from {key}; its columns cannot be NULL "
            f"meanwhile, and the foreign key {foreign_key} acts when rows are deleted; make {constraint} a DEFERRABLE "
            "constraint",
        )


class ReferringRowsHidden(MergeFailed):
    """A foreign key acts on rows that refer to a table (CASCADE, SET NULL), and the login cannot read all of them."""

    code = "referring-rows-hidden"
    advice = "Grant the login of `target.connection` SELECT on the referring table, and exempt it from row security."
    example = sample(child="production.sessions", table="production.logins", foreign_key="sessions_login_fkey")

    def __init__(self, child: str, table: str, foreign_key: str) -> None:
        super().__init__(
            f"Rows of {child} refer to {table} by a foreign key that acts on them ({foreign_key}), and the login of "
            f"target.connection cannot read all of them; grant it SELECT there, exempt it from row security, {_AGAIN}"
        )


class CountsOff(MergeFailed):
    """The server's setting `track_counts` is off, so a merge cannot see what foreign keys do to other rows."""

    code = "counts-off"
    advice = "Switch `track_counts` on, in `postgresql.conf` or with ALTER SYSTEM."
    example = sample()

    def __init__(self) -> None:
        super().__init__(
            "The server's setting track_counts is off, so the merge cannot see what foreign keys do to other rows; "
            f"switch it on, {_AGAIN}"
        )
