"""The passes of a confirm: read production, read the source, wait until CDC is past that, correct, and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, sql
from psycopg.rows import class_row

from reload_assets.cdc.position import Cdc
from reload_assets.config.model import MergeConfig
from reload_assets.confirm.comparison import Comparison, TakenUp, Touched
from reload_assets.confirm.concerned import SkippedStatements
from reload_assets.confirm.control import Control
from reload_assets.confirm.corrections import Corrections
from reload_assets.confirm.patch import patch_rows
from reload_assets.confirm.reread import SourceRows
from reload_assets.confirm.stale_source import require_current
from reload_assets.confirm.statements import CORRECTED, ConfirmStatements, Reading, read_again
from reload_assets.errors import ReloadRefused
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.merge.preconditions import count_verified
from reload_assets.merge.statements import merge_statements
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import prefer_probes
from reload_assets.postgres.statements import compose
from reload_assets.retries import pause
from reload_assets.tables import ReloadTable

_MOST_PASSES = 30
# A row that somebody else writes in so many passes is corrected by columns.
_MOST_MOVES = 4
_PAUSE_SECONDS = 0.05
_MOST_BLOCKS = 3
_PATCH = "patch"
_TO_CORRECT = sql.SQL("d.is_open AND d.verdict IN ('insert', 'update', 'delete', 'soft_delete')")

Fence = Callable[[], AbstractContextManager[None]]
"""Keeps CDC stopped while it is open."""


@dataclass(frozen=True)
class Confirmed:
    """What a confirm did. ``settled``: a last pass, after CDC was past everything, found nothing more to do.

    ``passes`` are readings of production and source, ``corrections`` rows changed, ``waited_seconds`` the time spent
    waiting for CDC; ``detail`` is one sentence.
    """

    settled: bool
    passes: int
    corrections: int
    waited_seconds: float
    detail: str


class Confirmer:
    """One confirm of a merged reload, over its tables in foreign-key order.

    Without ``cdc`` its position is not known: then only rows that the reload itself wrote are corrected, and none is
    inserted. With ``fence`` CDC is stopped whenever production is written. ``arbiter`` reads rows by DMS, to judge
    a source connection by.
    """

    def __init__(
        self,
        target: TargetDatabase,
        ledger: Ledger,
        reload: Reload,
        tables: Sequence[ReloadTable],
        zone: ZoneInfo,
        settings: MergeConfig,
        source: SourceRows,
        cdc: Cdc | None,
        fence: Fence | None,
        say: Callable[[str], None],
        arbiter: SourceRows | None = None,
    ) -> None:
        self._target, self._ledger, self._reload, self._settings = target, ledger, reload, settings
        self._source, self._cdc, self._fence, self._say = source, cdc, fence, say
        self._arbiter = arbiter
        self._zone = zone
        staged = ledger.tables(reload.reload_id)
        self._plans = [
            ConfirmStatements(plan, exact=cdc is not None) for plan in merge_statements(reload, tables, staged, zone)
        ]
        self._control = Control(source)
        self._passes = self._corrections = 0
        self._waited = 0.0
        self._skipped: SkippedStatements | None = None
        self._lost_sight: Counter[str] = Counter()
        self._gaps: list[str] = []

    def run(self) -> Confirmed:
        """Look and correct until nothing is left to do. Raises CdcNotReady, SourceUnavailable, MergeFailed, DmsError,
        and psycopg's errors; what was corrected before stays, and is in the audit."""
        with self._target.connect(autocommit=True) as connection:
            self._collect(connection)
            corrections = Corrections(
                self._target,
                connection,
                self._plans,
                lock_timeout_ms=self._settings.lock_timeout_ms,
                stall_limit_ms=self._settings.stall_limit_ms,
                attempts=self._settings.attempts,
                chunk_rows=self._settings.chunk_rows if self._settings.mode == "chunked" else None,
            )
            settled, detail = self._told(connection, self._look_until_settled(connection, corrections))
            return Confirmed(settled, self._passes, self._corrections, self._waited, detail)

    def _look_until_settled(self, connection: Connection[Any], corrections: Corrections) -> bool:
        last_look = False
        while self._passes < _MOST_PASSES:
            self._passes += 1
            read_until = self._look(connection)
            if not self._close(connection) and last_look:
                last_look = False
            if self._count(connection, (*CORRECTED, _PATCH)):
                self._wait_passed(read_until)
                self._require_current(connection)
                if self._correct(connection, corrections):
                    last_look = False
                self._close(connection)
                continue
            if self._count(connection, None):
                pause(_PAUSE_SECONDS)
                continue
            # All is settled. Once more when CDC is past everything that was read and written so far, and with the rows
            # that differ by then: what CDC skipped, or carried elsewhere, shows up in the rows or in the list of
            # statements that it keeps.
            now = self._source.now()
            self._wait_passed(now)
            named = self._skipped.collect(connection) if self._skipped else 0
            if last_look and not named:
                return True
            if self._compare(connection, now) or named:
                # What stood in the way of a correction may be among the new keys.
                for plan in self._plans:
                    plan.run(connection, "unblock_keys")
            for plan in self._plans:
                plan.run(connection, "reopen_keys", most_blocks=_MOST_BLOCKS)
            last_look = True
        return False

    def _close(self, connection: Connection[Any]) -> bool:
        """Close the settled keys. Returns False where another comparison is needed to be sure of them.

        A row of ours that vanished before it was ever read equal may have taken a wrong content to another key. As long
        as such a row may be under way, a row that a comparison found and that vanished, too, may be it.
        """
        sure = True
        for plan in self._plans:
            row = plan.run(connection, "count_vanished").fetchone()
            assert row is not None
            self._lost_sight[plan.keys] += row[0]
            sure = sure and not row[0] and not (self._lost_sight[plan.keys] and row[1])
            plan.run(connection, "close_settled", most_blocks=_MOST_BLOCKS)
        return sure

    def _compare(self, connection: Connection[Any], now: datetime) -> int:
        """Compare both sides; how many keys are judged from now on that were not before."""
        if self._cdc is None:
            return 0
        found = self._comparison.collect(connection, now, self._lost_sight)
        self._gaps = self._comparison.gaps
        return found

    def _collect(self, connection: Connection[Any]) -> None:
        taken_up = {plan.keys: self._take_up(connection, plan) for plan in self._plans}
        reader = self._source.reader
        touched = Touched.by([one for found in taken_up.values() for one in found])
        self._comparison = Comparison(self._plans, touched, self._zone, reader)
        if self._cdc is not None:
            self._skipped = SkippedStatements(
                self._cdc,
                self._plans,
                reader.schema if reader else None,
                self._reload.opened_at,
                touched.merging_since or self._reload.opened_at,
            )
        for plan in self._plans:
            self._require_staging(connection, plan)
            plan.run(connection, "create_keys")
            plan.run(connection, "create_rows")
            plan.run(connection, "create_rows", {"rows": plan.again})
            with connection.transaction():
                prefer_probes(connection)
                plan.run(connection, "collect_staged")
            plan.run(connection, "collect_written", reload_ids=[one.reload_id for one in taken_up[plan.keys]])
            plan.run(connection, "collect_orphans")
            plan.run(connection, "analyze_table", {"table": plan.keys})
        if self._skipped is not None:
            self._skipped.collect(connection)

    def _take_up(self, connection: Connection[Any], plan: ConfirmStatements) -> list[TakenUp]:
        """This reload, and the earlier ones whose rows of one table were never confirmed."""
        parts = {
            "reload_id": self._reload.reload_id,
            "group_name": self._reload.group_name,
            "window_start": self._reload.load_start,
            "window_end": self._reload.window_end,
            "table_name": plan.merge.table.name,
        }
        with connection.cursor(row_factory=class_row(TakenUp)) as cursor:
            return cursor.execute(compose("confirm/find_unconfirmed"), parts).fetchall()

    def _require_staging(self, connection: Connection[Any], plan: ConfirmStatements) -> None:
        known = plan.merge.staged
        place = f"{known.staging_schema}.{known.staging_table}"
        found = plan.merge.run(
            connection, "find_staging", None, schema=known.staging_schema, table=known.staging_table
        ).fetchone()
        if found is None or found[0] != known.staging_oid:
            raise ReloadRefused(
                f"{self._reload.title} cannot be confirmed: its staging table {place} is gone; reload the window again."
            )
        # A server that has crashed brings an unlogged table back empty.
        count_verified(connection, plan.merge)

    def _look(self, connection: Connection[Any]) -> datetime:
        """Judge every open key; the instant of the source's clock up to which it was read.

        Production first: what stands there now is the work of a CDC that is not ahead of what the source shows next.
        """
        for plan in self._plans:
            with connection.transaction():
                prefer_probes(connection)
                plan.run(connection, "see_production")
        is_open = sql.SQL("d.is_open")
        read_again(connection, self._source, [Reading(plan, plan.keys, is_open, plan.rows) for plan in self._plans])
        read_until = self._source.now()
        for plan in self._plans:
            plan.run(connection, "judge_keys")
            plan.run(connection, "judge_moving", most_moves=_MOST_MOVES)
        self._control.require(connection, self._plans)
        return read_until

    def _correct(self, connection: Connection[Any], corrections: Corrections) -> int:
        """Write what CDC has passed; how many rows were changed."""
        if self._fence is None:
            return self._apply(connection, corrections)
        with self._fence():
            readings = [Reading(plan, plan.keys, _TO_CORRECT, plan.again) for plan in self._plans]
            read_again(connection, self._source, readings)
            for plan in self._plans:
                plan.run(connection, "mark_unsteady")
            return self._apply(connection, corrections)

    def _apply(self, connection: Connection[Any], corrections: Corrections) -> int:
        changed = 0
        if self._count(connection, CORRECTED):
            changed += corrections.apply()
            for plan in self._plans:
                plan.run(connection, "note_corrected")
        if self._count(connection, (_PATCH,)):
            patience = self._settings.lock_timeout_ms, self._settings.stall_limit_ms
            changed += sum(patch_rows(self._target, connection, plan, *patience) for plan in self._plans)
        self._corrections += changed
        return changed

    def _require_current(self, connection: Connection[Any]) -> None:
        if self._arbiter is not None and (
            doubts := require_current(connection, self._plans, self._source, self._arbiter)
        ):
            self._say(f"{self._reload.title}: {doubts} rows were read older than before, and once more by a DMS task")

    def _count(self, connection: Connection[Any], verdicts: Sequence[str] | None) -> int:
        """How many open keys there are, with some verdicts or (None) with any."""
        counts = [dict(plan.run(connection, "count_verdicts").fetchall()) for plan in self._plans]
        return sum(keys for one in counts for verdict, keys in one.items() if verdicts is None or verdict in verdicts)

    def _wait_passed(self, instant: datetime) -> None:
        if self._cdc is not None:
            self._waited += self._cdc.wait_passed(instant)

    def _told(self, connection: Connection[Any], settled: bool) -> tuple[bool, str]:
        """Whether nothing is left to do, and the sentence about it."""
        totals = [0, 0, 0, 0]
        orphans: list[str] = []
        blocked: list[str] = []
        keys: dict[str, tuple[int, int]] = {}
        for plan in self._plans:
            row = plan.run(connection, "count_keys", most_blocks=_MOST_BLOCKS).fetchone()
            assert row is not None
            name = plan.merge.table.name
            keys[name] = (row[0], row[1])
            totals = [total + count for total, count in zip(totals, row[:4], strict=True)]
            orphans += [f"{name} {key}" for key in row[4] or ()]
            for reason, rows, some in plan.run(connection, "count_blocked", most_blocks=_MOST_BLOCKS):
                more = f" and {rows - len(some)} more" if rows > len(some) else ""
                blocked.append(f"{name} {'; '.join(some)}{more} ({reason})")
        self._ledger.set_confirm_keys(self._reload.reload_id, keys)
        said = [
            f"{totals[0]} rows of all tables were read again from the source in {self._passes} passes, "
            f"{self._corrections} corrected, {self._waited:.1f} s waited for CDC"
        ]
        if totals[1]:
            said.append(
                f"{totals[1]} rows of production are no longer in the source ({', '.join(orphans[:5])}): reported "
                "only, as the policy orphans says"
            )
        if totals[2]:
            said.append(f"{totals[2]} rows differ and are left alone by policy")
        open_ends = [*(self._skipped.open_ends if self._skipped else []), *self._comparison.open_ends]
        said += open_ends
        said += self._gaps
        if self._cdc is None:
            said.append("without the section cdc nobody can say how far CDC is")
        if totals[3]:
            said.append(f"{totals[3]} rows could not be corrected: {', '.join(blocked[:5])}")
        if not settled:
            said.append(f"rows were still changing after {self._passes} passes; reload the window when it is quieter")
        return settled and not totals[3] and not open_ends, "; ".join(said) + "."
