"""The ledger: one row per reload. Each step writes at once on a separate connection, so that failures stay visible.

The merge itself writes what belongs to its transaction: outcomes, audit, and the status ``merged``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection, sql
from psycopg.rows import class_row

from reload_assets.cdc.position import Readiness
from reload_assets.errors.reloads import ReloadUnknown, WindowBusy
from reload_assets.ledger.records import CheckResult, Opening, Reload, StagedTable, staging_name
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import compose, run
from reload_assets.tables import ReloadTable
from reload_assets.windows import Window

CheckStatus = Literal["passed", "failed", "could not verify"]


class Ledger:
    """Reads and writes ``admin.reloads`` and its companions in the target database."""

    def __init__(self, target: TargetDatabase) -> None:
        self._target = target

    def find_unfinished(self, group: str, window: Window | None, partition_key: str) -> list[Reload]:
        """Return the reloads of a group that overlap a window and have not ended; for keys, those of the partition."""
        with self._target.connect(autocommit=True) as connection:
            return self._unfinished(connection, group, window, partition_key)

    def find_loading(self, run_id: str) -> list[tuple[int, str]]:
        """Return the reloads of a run whose load has not ended, each with the run."""
        with self._target.connect(autocommit=True) as connection:
            rows = run(connection, "ledger/sweep:find_loading", run_id=run_id)
            return [(reload_id, run_id) for (reload_id,) in rows]

    def find_left(self) -> list[tuple[int, str]]:
        """Return the reloads, with their runs, that are in a load or a confirm: only a live run can finish these."""
        with self._target.connect(autocommit=True) as connection:
            return run(connection, "ledger/sweep:find_left").fetchall()

    def open(self, connection: Connection[Any], opening: Opening, tables: Sequence[ReloadTable]) -> Reload:
        """Open a reload in the caller's transaction, which also creates its staging tables.

        Raises ReloadRefused while an overlapping reload of the group is under way. Reloads of keys overlap nothing:
        each row that two reloads write is locked by each, and confirmed by each.
        """
        run(connection, "ledger/open:lock_group", group_name=opening.group)
        if busy := self._unfinished(connection, opening.group, opening.window, opening.partition_key):
            raise WindowBusy(opening.partition_key, opening.group, busy[0].title, busy[0].run_id)
        row = run(
            connection,
            "ledger/open:insert_reload",
            group_name=opening.group,
            **_instants(opening.window),
            load_start=opening.loaded_window.start if opening.loaded_window else None,
            partition_key=opening.partition_key,
            tables=[table.name for table in tables],
            started_by=opening.started_by,
            reason=opening.reason,
            run_id=opening.run_id,
            request_id=opening.request_id,
            limited_columns=_limits(tables),
        ).fetchone()
        assert row is not None
        reload_id: int = row[0]
        run(
            connection,
            "ledger/open:create_audit_partition",
            {"audit_partition": f"reload_changes_r{reload_id}", "opened_reload_id": sql.Literal(reload_id)},
        )
        return self._get(connection, reload_id)

    def add_table(
        self, connection: Connection[Any], reload_id: int, table: ReloadTable, staging_schema: str, definition: str
    ) -> None:
        """Add a table to a reload, in the caller's transaction, which has created its staging table.

        ``definition`` is the table as JSON.
        """
        run(
            connection,
            "ledger/open:insert_table",
            opened_reload_id=reload_id,
            table_name=table.name,
            production_schema=table.production.schema,
            production_table=table.production.name,
            staging_schema=staging_schema,
            staging_table=staging_name(table, reload_id),
            definition=definition,
        )

    def expect_checks(self, connection: Connection[Any], reload_id: int, table: str, checks: Iterable[str]) -> None:
        """Add the checks without which the merge will refuse the reload, in the caller's transaction."""
        for check in checks:
            run(
                connection,
                "ledger/open:insert_pending_check",
                opened_reload_id=reload_id,
                table_name=table,
                check_name=check,
            )

    def find(self, reload_id: int) -> Reload | None:
        """Return the reload with this id, or None."""
        with self._target.connect(autocommit=True) as connection:
            return self._find(connection, reload_id)

    def get(self, reload_id: int) -> Reload:
        """Return the reload with this id. Raises LedgerError if there is none."""
        with self._target.connect(autocommit=True) as connection:
            return self._get(connection, reload_id)

    def find_by_run(self, run_id: str) -> Reload | None:
        """Return the reload that a run opened, or None if it opened none."""
        with self._target.connect(autocommit=True) as connection:
            row = run(connection, "ledger/read:find_by_run", run_id=run_id).fetchone()
            return self._find(connection, row[0]) if row else None

    def latest(self, group: str, window: Window | None, partition_key: str, table: str) -> Reload | None:
        """Return the newest reload of exactly this window that covers the table, or None.

        Without a window, of the keys that the partition is for.
        """
        with self._target.connect(autocommit=True) as connection:
            row = run(
                connection,
                "ledger/read:get_latest_of_selection",
                group_name=group,
                **_instants(window),
                partition_key=partition_key,
                table_name=table,
            ).fetchone()
            return self._get(connection, row[0]) if row and row[0] is not None else None

    def latest_of_table(self, group: str, table: str) -> Reload | None:
        """Return the newest reload of a group that covers the table, in any window, or None."""
        with self._target.connect(autocommit=True) as connection:
            row = run(connection, "ledger/read:get_latest_of_table", group_name=group, table_name=table).fetchone()
            return self._get(connection, row[0]) if row and row[0] is not None else None

    def tables(self, reload_id: int) -> dict[str, StagedTable]:
        """Return the tables of a reload by name, parents first."""
        with (
            self._target.connect(autocommit=True) as connection,
            connection.cursor(row_factory=class_row(StagedTable)) as cursor,
        ):
            rows = cursor.execute(compose("ledger/read:list_tables"), {"reload_id": reload_id}).fetchall()
        return {row.table_name: row for row in rows}

    def checks(self, reload_id: int) -> list[CheckResult]:
        """Return the checks of a reload, those that block the merge first."""
        with (
            self._target.connect(autocommit=True) as connection,
            connection.cursor(row_factory=class_row(CheckResult)) as cursor,
        ):
            return cursor.execute(compose("ledger/checks:list_checks"), {"reload_id": reload_id}).fetchall()

    def set_run(self, reload_id: int, run_id: str) -> None:
        """Write that a later run resumes the reload."""
        self._write("ledger/open:set_run", reload_id=reload_id, run_id=run_id)

    def set_task(self, reload_id: int, identifier: str, arn: str) -> None:
        """Write the DMS task of a reload."""
        self._write("ledger/load:set_task", reload_id=reload_id, task_identifier=identifier, task_arn=arn)

    def set_loading(self, reload_id: int) -> None:
        """Write that the load begins, without a DMS task."""
        self._write("ledger/load:set_loading", reload_id=reload_id)

    def set_task_removed(self, reload_id: int) -> None:
        """Write that the DMS task is gone."""
        self._write("ledger/load:set_task_removed", reload_id=reload_id)

    def set_source_rows(self, reload_id: int, rows: Mapping[str, int], *, when: Literal["before", "after"]) -> None:
        """Write the source's row counts of the window, before the load or after it."""
        with self._target.connect(autocommit=True) as connection:
            for table, count in rows.items():
                counts = {
                    "source_rows_before": count if when == "before" else None,
                    "source_rows_after": count if when == "after" else None,
                }
                run(connection, "ledger/load:set_source_rows", reload_id=reload_id, table_name=table, **counts)

    def set_loaded(
        self, reload_id: int, stop_reason: str, dms_rows: Mapping[str, int], source_read_until: datetime | None = None
    ) -> None:
        """Write that the load succeeded. ``dms_rows``: how many rows DMS reports for each table.

        ``source_read_until`` is an instant of the source's clock after the load. If it is None, the target's clock
        counts.
        """
        with self._target.connect(autocommit=True) as connection:
            for table, rows in dms_rows.items():
                run(connection, "ledger/load:set_dms_rows", reload_id=reload_id, table_name=table, dms_rows=rows)
            until = source_read_until
            run(
                connection,
                "ledger/load:set_loaded",
                reload_id=reload_id,
                stop_reason=stop_reason,
                source_read_until=until,
            )

    def set_staged(self, connection: Connection[Any], reload_id: int, table: str, staged: int, trimmed: int) -> None:
        """Write how many rows are in staging and how many were trimmed, in the transaction that trimmed them."""
        run(
            connection,
            "ledger/load:set_staged",
            reload_id=reload_id,
            table_name=table,
            staged_rows=staged,
            trimmed_rows=trimmed,
        )

    def set_conversions(self, connection: Connection[Any], reload_id: int, table: str, conversions: str) -> None:
        """Write what the conversions to production's types came to, as JSON by column; in the caller's transaction."""
        run(
            connection,
            "ledger/load:set_conversions",
            reload_id=reload_id,
            table_name=table,
            conversions=conversions,
        )

    def record_checks(self, reload_id: int, table: str, results: Iterable[CheckResult]) -> str | None:
        """Write results of checks on a table. Returns the reload's new status, or None if the reload has ended."""
        with self._target.connect() as connection:
            for result in results:
                run(
                    connection,
                    "ledger/checks:set_check",
                    reload_id=reload_id,
                    table_name=table,
                    check_name=result.check_name,
                    status=result.status,
                    blocking=result.blocking,
                    detail=result.detail,
                )
            row = run(connection, "ledger/checks:set_verdict", reload_id=reload_id).fetchone()
            return str(row[0]) if row else None

    def take_up_failed(self, reload: Reload) -> Reload:
        """Write that a reload whose merge failed is merged again. Returns it as it is then.

        Raises ReloadRefused while a later reload of an overlapping window is under way.
        """
        with self._target.connect() as connection:
            run(connection, "ledger/open:lock_group", group_name=reload.group_name)
            taken = run(connection, "ledger/merge:take_up_failed", reload_id=reload.reload_id).fetchone()
            busy = [] if taken else self._unfinished(connection, reload.group_name, reload.window, reload.partition_key)
            if busy:
                raise WindowBusy(reload.partition_key, reload.group_name, busy[0].title, busy[0].run_id)
            return self._get(connection, reload.reload_id)

    def set_merge_started(self, reload_id: int) -> None:
        """Write that a merge attempt begins."""
        self._write("ledger/merge:set_merge_started", reload_id=reload_id)

    def interrupt_merge(self, reload_id: int, error: str) -> bool:
        """Write that a merge in chunks stopped between two of them. Returns False if there is no such merge."""
        with self._target.connect(autocommit=True) as connection:
            done = run(connection, "ledger/merge:interrupt_merge", reload_id=reload_id, error=error).fetchone()
            return done is not None

    def set_cdc(self, reload_id: int, ready: Readiness, remarks: Sequence[str]) -> None:
        """Write what the gate found about the CDC task, and its remarks on how the task carries the tables."""
        self._write(
            "ledger/open:set_cdc",
            reload_id=reload_id,
            task_arn=ready.task_arn,
            cdc_status=ready.status,
            lag_seconds=ready.lag_seconds,
            target_clock_offset_seconds=ready.target_clock_offset,
            dms_clock_offset_seconds=ready.dms_clock_offset,
            remarks=list(remarks),
        )

    def set_cdc_stopped(self, reload_id: int) -> None:
        """Write that the CDC task is about to be stopped for the reload."""
        self._write("ledger/fence:set_cdc_stopped", reload_id=reload_id)

    def set_cdc_resumed(self, reload_id: int) -> None:
        """Write that the CDC task runs again."""
        self._write("ledger/fence:set_cdc_resumed", reload_id=reload_id)

    def find_fenced(self, task_arn: str) -> list[tuple[int, str]]:
        """Return the reloads, with their runs, that have stopped a CDC task and not resumed it."""
        with self._target.connect(autocommit=True) as connection:
            return run(connection, "ledger/fence:find_fenced", task_arn=task_arn).fetchall()

    def set_confirm_started(self, reload_id: int) -> None:
        """Write that the confirm of a merged reload begins."""
        self._write("ledger/confirm:set_confirm_started", reload_id=reload_id)

    def set_confirm_keys(self, reload_id: int, tables: Mapping[str, tuple[int, int]]) -> None:
        """Write how many rows of each table were read again, and how many orphans stay."""
        with self._target.connect(autocommit=True) as connection:
            for table, (keys, orphans) in tables.items():
                counts = {"confirm_keys": keys, "orphans": orphans}
                run(connection, "ledger/confirm:set_confirm_keys", reload_id=reload_id, table_name=table, **counts)

    def set_confirm_ended(
        self,
        reload_id: int,
        status: Literal["confirmed", "unconfirmed"],
        passes: int,
        waited_seconds: float,
        detail: str,
    ) -> None:
        """Write that the confirm of a merged reload has ended. ``waited_seconds``: the time spent waiting for CDC.

        If the reload is confirmed, so are the rows of earlier reloads that it took up.
        """
        with self._target.connect(autocommit=True) as connection:
            run(
                connection,
                "ledger/confirm:set_confirm_ended",
                reload_id=reload_id,
                confirm_status=status,
                passes=passes,
                waited_seconds=waited_seconds,
                detail=detail,
            )
            run(connection, "ledger/confirm:confirm_taken_up", reload_id=reload_id)

    def give_up_confirm(self, reload_id: int, detail: str) -> None:
        """Mark a pending confirm as unconfirmed, with the reason. Does nothing if none is pending."""
        self._write("ledger/sweep:give_up_confirm", reload_id=reload_id, detail=detail)

    def close(self, reload_id: int, status: Literal["failed", "cancelled"], error: str) -> bool:
        """Close a reload without a merge, or with only some chunks of it. Returns False if it had ended already."""
        with self._target.connect(autocommit=True) as connection:
            done = run(
                connection, "ledger/sweep:close_reload", reload_id=reload_id, status=status, error=error
            ).fetchone()
            return done is not None

    def _write(self, statement: str, **values: Any) -> None:
        with self._target.connect(autocommit=True) as connection:
            run(connection, statement, **values)

    def _unfinished(
        self, connection: Connection[Any], group: str, window: Window | None, partition_key: str
    ) -> list[Reload]:
        rows = run(
            connection,
            "ledger/open:find_unfinished",
            group_name=group,
            **_instants(window),
            partition_key=partition_key,
        ).fetchall()
        return [self._get(connection, row[0]) for row in rows]

    def _get(self, connection: Connection[Any], reload_id: int) -> Reload:
        found = self._find(connection, reload_id)
        if found is None:
            raise ReloadUnknown(reload_id)
        return found

    @staticmethod
    def _find(connection: Connection[Any], reload_id: int) -> Reload | None:
        with connection.cursor(row_factory=class_row(Reload)) as cursor:
            return cursor.execute(compose("ledger/read:get_reload"), {"reload_id": reload_id}).fetchone()


def _limits(tables: Sequence[ReloadTable]) -> str | None:
    """Return the columns to which a reload is limited, as JSON by table; None for whole rows."""
    limits = {table.name: table.limited_to for table in tables if table.limited_to is not None}
    return json.dumps(limits) if limits else None


def _instants(window: Window | None) -> dict[str, datetime | None]:
    return {"window_start": window.start if window else None, "window_end": window.end if window else None}
