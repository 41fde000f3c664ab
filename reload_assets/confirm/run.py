"""The looks of a confirm: read production, read the source, wait until CDC is past that, correct, look again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, sql
from psycopg.errors import DataError

from reload_assets.cdc import Cdc, Skipped
from reload_assets.config import Merge
from reload_assets.confirm.compare import Comparison, Touched
from reload_assets.confirm.correct import Corrections
from reload_assets.confirm.older import require_current
from reload_assets.confirm.patch import patch_rows
from reload_assets.confirm.plan import CORRECTED, ConfirmPlan, Reading, read_again
from reload_assets.confirm.skipped import keys_named
from reload_assets.confirm.source_rows import SourceRows
from reload_assets.database import Target
from reload_assets.errors import ReloadRefused
from reload_assets.ledger import Ledger, Reload
from reload_assets.merge.guard import count_verified
from reload_assets.merge.plan import both, in_staging, make_plans
from reload_assets.merge.settings import prefer_probes
from reload_assets.statements import run
from reload_assets.tables import ReloadTable
from reload_assets.windows import Window

_MOST_PASSES = 30
# A row that somebody else writes in so many passes is corrected by columns.
_MOST_MOVES = 4
_PAUSE_SECONDS = 0.05
# Two servers' clocks: a statement that CDC passed over is looked at rather twice than not at all.
_CLOCK_MARGIN = timedelta(seconds=5)
_MOST_BLOCKS = 3
_PATCH = "patch"
_TO_CORRECT = sql.SQL("d.is_open AND d.verdict IN ('insert', 'update', 'delete', 'soft_delete')")

Fence = Callable[[], AbstractContextManager[None]]
"""Keeps CDC stopped while it is open."""


@dataclass(frozen=True)
class Confirmed:
    """What a confirm did. ``settled``: a last look, after CDC was past everything, found nothing more to do.

    ``passes`` are looks at production and source, ``corrections`` rows changed, ``waited_seconds`` time spent waiting
    for CDC; ``detail`` is one sentence.
    """

    settled: bool
    passes: int
    corrections: int
    waited_seconds: float
    detail: str


class Confirmer:
    """One confirm of a merged reload, over its tables in foreign-key order.

    Without ``cdc`` its position is not known: then only rows that the reload itself wrote are corrected, and none is
    inserted. With ``fence`` CDC stands still whenever production is written. ``arbiter`` reads rows by DMS, to judge
    a source connection by.
    """

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        reload: Reload,
        tables: Sequence[ReloadTable],
        zone: ZoneInfo,
        settings: Merge,
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
        self._plans = [ConfirmPlan(plan, exact=cdc is not None) for plan in make_plans(reload, tables, staged, zone)]
        self._passes = self._corrections = 0
        self._waited = 0.0
        self._unread: set[Skipped] = set()
        self._lost_sight = 0
        self._gaps: list[str] = []
        self._scanned_until = reload.opened_at - _CLOCK_MARGIN

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
                time.sleep(_PAUSE_SECONDS)
                continue
            # All is settled. Once more when CDC is past everything that was read and written so far, and with the rows
            # that differ by then: what CDC skipped, or carried elsewhere, shows up in the rows or in the list of
            # statements that it keeps.
            now = self._source.now()
            self._wait_passed(now)
            if not self._add_partners(connection) and last_look:
                return True
            self._compare(connection, now)
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
            self._lost_sight += row[0]
            sure = sure and not (self._lost_sight and row[1])
            plan.run(connection, "close_settled", most_blocks=_MOST_BLOCKS)
        return sure

    def _compare(self, connection: Connection[Any], now: datetime) -> None:
        if self._cdc is None:
            return
        self._comparison.collect(connection, now)
        self._gaps = self._comparison.gaps

    def _collect(self, connection: Connection[Any]) -> None:
        reload = self._reload
        found = run(
            connection,
            "confirm/find_unconfirmed",
            None,
            reload_id=reload.reload_id,
            group_name=reload.group_name,
            window_start=reload.load_start,
            window_end=reload.window_end,
        ).fetchall()
        touched = Touched(
            [Window(row[2], row[3]) for row in found],
            min(row[1] for row in found),
            min((row[4] for row in found if row[4] is not None), default=None),
        )
        self._comparison = Comparison(self._plans, touched, self._zone, self._source.reader)
        for plan in self._plans:
            self._require_staging(connection, plan)
            plan.run(connection, "create_keys")
            plan.run(connection, "create_rows")
            plan.run(connection, "create_rows", {"rows": plan.again})
            with connection.transaction():
                prefer_probes(connection)
                plan.run(connection, "collect_staged")
            plan.run(connection, "collect_written", reload_ids=[row[0] for row in found])
            plan.run(connection, "collect_orphans")
            plan.run(connection, "analyze_table", {"table": plan.keys})

    def _require_staging(self, connection: Connection[Any], plan: ConfirmPlan) -> None:
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
            changed += sum(patch_rows(connection, plan, self._settings.lock_timeout_ms) for plan in self._plans)
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

    def _add_partners(self, connection: Connection[Any]) -> int:
        """The keys that CDC named beside ours in statements that it passed over since the last time; how many."""
        if self._cdc is None:
            return 0
        added = 0
        newest = self._scanned_until
        for plan in self._plans:
            production = plan.merge.table.production
            for skipped in self._cdc.skipped(connection, production.schema, production.name, self._scanned_until):
                newest = max(newest, skipped.skipped_at)
                added += self._add(connection, plan, skipped)
        self._scanned_until = max(self._scanned_until, newest - _CLOCK_MARGIN)
        return added

    def _add(self, connection: Connection[Any], plan: ConfirmPlan, skipped: Skipped) -> int:
        table = plan.merge.table
        named = keys_named(skipped.statement, [column.name for column in table.key])
        if not named:
            self._unread.add(skipped)
        values = {key: [sql.Literal(value) for value in key] for key in named}
        try:
            with connection.transaction():
                found = {key: self._find(connection, plan, literals) for key, literals in values.items()}
                known = {key for key, (looked_at, _) in found.items() if looked_at}
                concerned = any(looked_at or staged for looked_at, staged in found.values())
                # A unique value that a row of ours held is in the way of a row that is none of ours.
                others = [unique.name for unique in table.production.unique_keys if not unique.is_primary]
                if not concerned and not any(f'"{name}"' in skipped.error for name in others):
                    return 0
                since = self._reload.merge_started_at or self._reload.opened_at
                ours = skipped.skipped_at >= since - _CLOCK_MARGIN
                return sum(
                    plan.run(
                        connection,
                        "collect_partner",
                        {"key_values": sql.SQL(", ").join(values[key])},
                        ours=ours,
                    ).rowcount
                    for key in named - known
                )
        except DataError:
            # Not of the key's type: a statement of a form that is not known.
            self._unread.add(skipped)
            return 0

    @staticmethod
    def _find(connection: Connection[Any], plan: ConfirmPlan, literals: Sequence[sql.Literal]) -> tuple[bool, bool]:
        """Whether a key is looked at, and whether a row of it was staged: one that the merge found identical, too."""
        key = plan.merge.table.key
        pairs = [
            sql.SQL("{} = {}").format(plan.merge.in_delta(c), value) for c, value in zip(key, literals, strict=True)
        ]
        staged = [sql.SQL("{} = {}").format(in_staging(c), value) for c, value in zip(key, literals, strict=True)]
        row = plan.run(connection, "has_key", {"is_key": both(pairs), "is_staged_key": both(staged)}).fetchone()
        assert row is not None
        return row[0], row[1]

    def _told(self, connection: Connection[Any], settled: bool) -> tuple[bool, str]:
        """Whether nothing is left to do, and the sentence about it."""
        totals = [0, 0, 0, 0]
        orphans: list[str] = []
        blocked: list[str] = []
        for plan in self._plans:
            row = plan.run(connection, "count_keys", most_blocks=_MOST_BLOCKS).fetchone()
            assert row is not None
            name = plan.merge.table.name
            self._ledger.set_confirm_keys(self._reload.reload_id, name, row[0], row[1])
            totals = [total + count for total, count in zip(totals, row[:4], strict=True)]
            orphans += [f"{name} {key}" for key in row[4] or ()]
            blocked += [f"{name} {key}" for key in row[5] or ()]
        said = [
            f"{totals[0]} rows of all tables were read again from the source in {self._passes} looks, "
            f"{self._corrections} corrected, {self._waited:.1f} s waited for CDC"
        ]
        if totals[1]:
            said.append(
                f"{totals[1]} rows of production are no longer in the source ({', '.join(orphans[:5])}): reported "
                "only, as the policy orphans says"
            )
        if totals[2]:
            said.append(f"{totals[2]} rows differ and are left alone by policy")
        if self._unread:
            said.append(f"{len(self._unread)} statements that CDC passed over could not be read")
        said += self._gaps
        if self._cdc is None:
            said.append("without the section cdc nobody can say how far CDC is")
        if totals[3]:
            said.append(
                f"{totals[3]} rows could not be corrected, because a constraint of production refuses it "
                f"({', '.join(blocked[:5])}); reload the windows of the rows they refer to"
            )
        if not settled:
            said.append(f"rows were still changing after {self._passes} looks; reload the window when it is quieter")
        return settled and not totals[3], "; ".join(said) + "."
