"""Errors of a reload's life: the ledger, and the guards before a merge and a confirm."""

from __future__ import annotations

from reload_assets.errors import LedgerError, NeverMergeable, ReloadError, ReloadRefused, TableChanged, sample

_TITLE = "reload 7 of sales 2025-01-03"
_STAGING = "staging.orders_r7"


class LedgerMissing(LedgerError):
    """The target has no schema `admin` with the ledger."""

    code = "ledger-missing"
    advice = "Run `reload-assets install`."
    example = sample(target="reload@db.example:5432/sales")

    def __init__(self, target: str) -> None:
        super().__init__(f"The target {target} has no ledger (admin.reloads); install it with: reload-assets install.")


class ReloadUnknown(LedgerError):
    """The ledger has no reload with that id."""

    code = "reload-unknown"
    advice = "Look for the id in `admin.reloads`; somebody may have deleted the row."
    example = sample(reload_id=77)

    def __init__(self, reload_id: int) -> None:
        super().__init__(f"The ledger admin.reloads has no reload {reload_id}; look for its id there.")


class NoReloadYet(LedgerError):
    """`reload-assets sql` was asked for a table of which no window was ever reloaded."""

    code = "no-reload-yet"
    advice = "Reload a window of the table first: the statements are composed from what a reload resolved."
    example = sample(table="sales.orders")

    def __init__(self, table: str) -> None:
        super().__init__(f"The ledger has no reload of {table} yet; reload a window of it first.")


class ReloadOfOthers(LedgerError):
    """`reload-assets sql` was asked for a table that the named reload did not load."""

    code = "reload-of-others"
    advice = "Name a reload of that table; `admin.window_status` lists them."
    example = sample(title=_TITLE, table="sales.orders", tables="customers of sales")

    def __init__(self, title: str, table: str, tables: str) -> None:
        super().__init__(f"{title} has no table {table}, only {tables}; name another with --reload.")


class ReloadNotLoading(LedgerError):
    """A step of a load was started on its own, and its reload is not loading."""

    code = "reload-not-loading"
    advice = "Launch the partition again from the start, not from a failed step."
    example = sample(title=_TITLE, status="failed", error="")

    def __init__(self, title: str, status: str, error: str) -> None:
        super().__init__(
            f"The {title} is {status}{f': {error}' if error else ''}; launch its partition again from the start."
        )


class ReloadEndedMeanwhile(LedgerError):
    """Somebody else ended the reload while it was being merged; the transaction was rolled back."""

    code = "reload-ended-meanwhile"
    advice = "See in `admin.reloads` who ended it; then reload the window."
    example = sample(title=_TITLE)

    def __init__(self, title: str) -> None:
        super().__init__(
            f"{title} ended while it was being merged; none of that transaction was kept. Reload the window again."
        )


class NothingLoaded(ReloadRefused):
    """Production was materialized for a window that was never loaded."""

    code = "nothing-loaded"
    advice = "Materialize staging and production together."
    example = sample(tables="orders", window="2025-01-03")

    def __init__(self, tables: str, window: str) -> None:
        super().__init__(
            f"Nothing has been loaded for {tables} in the window {window}; materialize staging with production."
        )


class LoadedApart(ReloadRefused):
    """The tables of a window were loaded by different reloads, so staging mixes several moments of the source."""

    code = "loaded-apart"
    advice = "Load the tables together, in one run."
    example = sample(window="2025-01-03", reloads="customers by reload 6, orders by reload 7")

    def __init__(self, window: str, reloads: str) -> None:
        super().__init__(
            f"The tables of the window {window} were loaded by different reloads ({reloads}); load them together."
        )


class KeysUnreadable(ReloadRefused):
    """A list of keys has some that the types of production's key do not take or would round, or that lack a value."""

    code = "keys-unreadable"
    advice = (
        "Write each key as its values in the order of the key's columns, as production has them: a time as "
        "`2025-01-03 10:00:00`, without a zone. Then ask again."
    )
    example = sample(keys="2", table="orders", some="x17; 12, 1", columns="order_id bigint")

    def __init__(self, keys: str, table: str, some: str, columns: str) -> None:
        super().__init__(
            f"{keys} of the selected keys cannot be keys of {table} ({some}), whose key is ({columns}); nothing was "
            "loaded. Fix them and ask again."
        )


class KeysMissing(ReloadRefused):
    """A run was launched over a partition of keys for tables of which its request names no key."""

    code = "keys-missing"
    advice = "Launch the run for the tables that the request names, or insert a request with keys of the others."
    example = sample(partition="request-17", tables="customers")

    def __init__(self, partition: str, tables: str) -> None:
        super().__init__(
            f"The partition {partition} has no keys of {tables}; launch it for the tables that its request names."
        )


class WindowBusy(ReloadRefused):
    """Another reload of the group is reloading an overlapping window."""

    code = "window-busy"
    advice = "Wait for that reload to end, or cancel its run."
    example = sample(window="2025-01-03", group="sales", other="reload 6 of sales 2025-01-03", run_id="8d3f")

    def __init__(self, window: str, group: str, other: str, run_id: str) -> None:
        super().__init__(
            f"The window {window} of group {group!r} is being reloaded already, by {other} (run {run_id}); wait for "
            "it to end, or cancel it."
        )


class MergeBusy(ReloadRefused):
    """Another process is merging or confirming the same window."""

    code = "merge-busy"
    advice = "Wait for that merge to end."
    example = sample(title=_TITLE)

    def __init__(self, title: str) -> None:
        super().__init__(f"The window of {title} is being merged already; wait for that merge to end.")


class AlreadyMerged(ReloadRefused):
    """The reload is merged already. Its staged rows are old by now, so they are not merged twice."""

    code = "already-merged"
    advice = "Reload the window again, staging and production."
    example = sample(title=_TITLE)

    def __init__(self, title: str) -> None:
        super().__init__(f"{title} is merged already; reload the window again.")


class ReloadEnded(ReloadRefused):
    """The reload failed or was cancelled."""

    code = "reload-ended"
    advice = "Fix the cause that the message quotes, and reload the window again."
    example = sample(title=_TITLE, status="cancelled", error="Run 8d3f was cancelled.")

    def __init__(self, title: str, status: str, error: str) -> None:
        super().__init__(f"{title} has ended as {status} ({error}); reload the window again.")


class NotVerified(ReloadRefused):
    """A check that must pass before the merge has failed, or has not been run."""

    code = "not-verified"
    advice = "Run the staging checks; if one fails, fix its cause and reload the window. The checks are listed below."
    example = sample(
        title=_TITLE,
        why="the check row_count of orders is failed (staging.orders_r7 has 10 rows where the load left 11)",
        fix="fix its cause and reload the window again",
    )

    def __init__(self, title: str, why: str, fix: str) -> None:
        super().__init__(f"{title} is not verified: {why}; {fix}.")


class OtherTables(ReloadRefused):
    """The merge was asked for different tables from those that the reload loaded."""

    code = "other-tables"
    advice = "Merge all tables of the reload together, or reload the window for the ones you want."
    example = sample(title=_TITLE, left_out="customers")

    def __init__(self, title: str, *, left_out: str = "", unknown: str = "") -> None:
        if left_out:
            super().__init__(
                f"{title} loaded {left_out} too, which the merge was asked to leave out; merge all of its tables "
                "together, or reload the window for the ones you want."
            )
        else:
            super().__init__(
                f"{title} did not load {unknown}, which the merge was asked for; leave them out, or reload the window "
                "with them."
            )


class DefinitionUnreadable(ReloadRefused):
    """Another version of this package opened the reload, and described its tables in another way."""

    code = "definition-unreadable"
    advice = "Reload the window; its new reload also confirms what the old one wrote."
    example = sample(title=_TITLE)

    def __init__(self, title: str) -> None:
        super().__init__(
            f"{title} was opened by another version of reload_assets, which described its tables in another way; "
            "reload the window again."
        )


class StagingGone(NeverMergeable):
    """The staging table that was loaded no longer exists: it expired, or somebody dropped it."""

    code = "staging-gone"
    advice = "Reload the window. `staging.retention_days` says how long staging tables are kept."
    example = sample(title=_TITLE, place=_STAGING)

    def __init__(self, title: str, place: str) -> None:
        super().__init__(f"{title}: its staging table {place} no longer exists; reload the window again.")


class StagingReplaced(NeverMergeable):
    """Another table has taken the name of the staging table that was loaded and verified."""

    code = "staging-replaced"
    advice = "Reload the window, and find out who recreates tables in the staging schema."
    example = sample(title=_TITLE, place=_STAGING)

    def __init__(self, title: str, place: str) -> None:
        super().__init__(
            f"{title}: {place} is not the staging table that was loaded but another one of that name; reload the "
            "window again."
        )


class StagingChanged(NeverMergeable):
    """The staging table no longer has the rows that were verified: somebody wrote into it, or the server crashed."""

    code = "staging-changed"
    advice = "Reload the window. A crash empties staging tables, which are unlogged."
    example = sample(title=_TITLE, place=_STAGING, rows=10, verified=11)

    def __init__(self, title: str, place: str, rows: int, verified: int) -> None:
        super().__init__(f"{title}: {place} has {rows} rows, but {verified} were verified; reload the window again.")


class KeyTextDiffers(ReloadRefused):
    """A confirm does not find rows in the source that are there: the two sides write their keys differently."""

    code = "key-text-differs"
    advice = "Make the key the same on both sides: types, endpoint settings, triggers, masks. Nothing was deleted."
    example = sample(
        title=_TITLE,
        table="production.orders",
        key="(id)=(0.1)",
        source="SALES.ORDERS",
        proof="which lists it among the rows of the window",
    )

    def __init__(self, title: str, table: str, key: str, source: str, proof: str) -> None:
        super().__init__(
            f"{title} is not confirmed: rows of {table} are not found in the source by the text of their key in "
            f"production, for example {key} in {source}, {proof}; make the key the same on both sides (its types, the "
            "endpoints' settings for numbers and blanks, triggers of production, masks), then reload the window again."
        )


class ProductionChanged(TableChanged):
    """A production table was altered after the reload was opened."""

    code = "production-changed"
    advice = "Reload the window, or undo the change."
    example = sample(table="production.orders", title=_TITLE, changes="note was text and is character varying(10)")

    def __init__(self, table: str, title: str, changes: str) -> None:
        super().__init__(
            f"{table} has changed since {title} was opened: {changes}. Reload the window again, or undo the change."
        )


class SourceChanged(TableChanged):
    """A table of the source was altered after the reload was opened."""

    code = "source-changed"
    advice = "Reload the window."
    example = sample(table="SALES.ORDERS", title=_TITLE, changes="NOTE is no longer there")

    def __init__(self, table: str, title: str, changes: str) -> None:
        super().__init__(f"{table} has changed since {title} was opened: {changes}. Reload the window again.")


class NotifyIncomplete(ReloadError):
    """An event could not be sent to a channel, or a CDC task could not be looked at; the next tick tries again."""

    code = "notify-incomplete"
    advice = "Fix the channel in `notify`, or the CDC task. `admin.notifications` has what is still to be sent."
    example = sample(left="sns: AuthorizationError (reload 42 failed).")

    def __init__(self, left: str) -> None:
        super().__init__(f"Not everything could be sent, and it will be tried again: {left}")


class SweepIncomplete(ReloadError):
    """A sweep could not clean something that a dead run left behind; the next sweep tries again."""

    code = "sweep-incomplete"
    advice = (
        "Fix the cause that the message quotes. If that is a CDC task, production gets no changes until it runs again."
    )
    example = sample(left="the CDC task sales-cdc: DMS did not answer; check endpoint_url. [dms-unanswered]")

    def __init__(self, left: str) -> None:
        super().__init__(f"Could not be cleaned, and will be tried again: {left}")
