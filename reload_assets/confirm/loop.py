"""Runs the passes of a confirm: read production and the source, wait until CDC is past that, correct, repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
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
from reload_assets.confirm.holders import collect_holders
from reload_assets.confirm.patch import patch_rows
from reload_assets.confirm.report import MOST_REFUSED, Report, report_keys
from reload_assets.confirm.reread import SourceRows
from reload_assets.confirm.stale_source import require_current
from reload_assets.confirm.statements import ConfirmStatements, Reading, read_again
from reload_assets.confirm.taken_up import collect_written, mark_written
from reload_assets.confirm.verdicts import CORRECTED, Verdict, listed
from reload_assets.errors.reloads import StagingGone, StagingReplaced
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.merge import Patience
from reload_assets.merge.preconditions import count_verified
from reload_assets.merge.statements import merge_statements
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import analyze, prefer_probes
from reload_assets.postgres.statements import compose
from reload_assets.retries import pause
from reload_assets.tables import ReloadTable

_MOST_PASSES = 30
MOST_OVERTAKEN = 4
"""A row that somebody else writes in this many passes is corrected column by column."""

_PAUSE_SECONDS = 0.05
_IS_OPEN = sql.SQL("k.is_open")
_TO_CORRECT = sql.SQL("k.is_open AND k.verdict IN ({})").format(listed(CORRECTED))

Fence = Callable[[], AbstractContextManager[None]]
"""Makes a context manager that keeps CDC stopped."""


@dataclass(frozen=True)
class Confirmed:
    """What a confirm did. ``settled``: once CDC was past everything, a last pass found nothing more to do.

    ``passes`` counts the readings of production and source, ``corrections`` the rows changed. ``waited_seconds`` is
    the time spent waiting for CDC, and ``detail`` is one sentence.
    """

    settled: bool
    passes: int
    corrections: int
    waited_seconds: float
    detail: str


@dataclass(frozen=True, kw_only=True)
class Confirmer:
    """Confirms a merged reload, over its tables in foreign-key order.

    Without ``cdc`` its position is not known. Then the confirm corrects only rows that the reload itself wrote, and
    inserts only those that the merge withheld. With ``fence`` CDC is stopped whenever production is written.
    ``arbiter`` reads rows by DMS, to check whether the source connection shows current rows.
    """

    target: TargetDatabase
    ledger: Ledger
    reload: Reload
    tables: Sequence[ReloadTable]
    zone: ZoneInfo
    settings: MergeConfig
    source: SourceRows
    cdc: Cdc | None
    fence: Fence | None
    say: Callable[[str], None]
    arbiter: SourceRows | None = None

    def run(self) -> Confirmed:
        """Read and correct until nothing is left to do. What was corrected before an error stays, and is in the audit.

        Raises CdcNotReady, SourceUnavailable, MergeFailed, DmsError, and psycopg's errors."""
        with self.target.connect(autocommit=True) as connection:
            return _Confirm(self, connection).run()


class _Confirm:
    """One confirm: its keys, in temporary tables of one connection, and what it has done so far."""

    def __init__(self, given: Confirmer, connection: Connection[Any]) -> None:
        self._given, self._connection = given, connection
        self._reload, self._source, self._cdc = given.reload, given.source, given.cdc
        staged = given.ledger.tables(given.reload.reload_id)
        self._all_statements = [
            ConfirmStatements(statements, exact=given.cdc is not None)
            for statements in merge_statements(given.reload, given.tables, staged, given.zone)
        ]
        self._patience = Patience.configured(given.settings)
        self._corrections = Corrections(given.target, connection, self._all_statements, self._patience)
        self._control = Control(given.source)
        self._passes = self._corrected = 0
        self._waited = 0.0
        self._skipped: SkippedStatements | None = None
        self._vanished: Counter[str] = Counter()
        self._gaps: list[str] = []
        self._left_out: list[str] = []

    def run(self) -> Confirmed:
        self._collect()
        settled = self._pass_until_settled()
        report = report_keys(self._connection, self._all_statements)
        self._given.ledger.set_confirm_keys(self._reload.reload_id, report.keys)
        open_ends = self._open_ends()
        return Confirmed(
            settled and not report.blocked and not open_ends,
            self._passes,
            self._corrected,
            self._waited,
            self._detail(report, open_ends, settled),
        )

    def _pass_until_settled(self) -> bool:
        is_last = False
        while self._passes < _MOST_PASSES:
            self._passes += 1
            read_until = self._pass()
            if not self._close() and is_last:
                is_last = False
            if self._count((*CORRECTED, Verdict.PATCH)):
                self._wait_passed(read_until)
                self._require_current()
                if self._correct():
                    is_last = False
                self._close()
                continue
            if self._count(None):
                pause(_PAUSE_SECONDS)
                continue
            # Every key is settled. Wait until CDC is past everything that was read and written, and do one more pass
            # with the rows that differ by then. What CDC skipped, or moved to another key, shows up in these rows or
            # in CDC's list of skipped statements.
            now = self._source.now()
            self._wait_passed(now)
            named = self._skipped.collect(self._connection) if self._skipped else 0
            if is_last and not named:
                return True
            if self._compare(now) or named:
                # A new key may be the one that stood in the way of a blocked correction.
                for statements in self._all_statements:
                    statements.run(self._connection, "8_compare:unblock_keys")
            for statements in self._all_statements:
                statements.run(self._connection, "8_compare:reopen_keys", most_refused=MOST_REFUSED)
            is_last = True
        return False

    def _close(self) -> bool:
        """Close the settled keys. Returns False if another comparison is needed to be sure of them.

        If a row that we wrote vanished before it was ever read equal, CDC may have moved its wrong content to another
        key. Until that is ruled out, a row that a comparison found and that then vanished may be that row.
        """
        sure = True
        for statements in self._all_statements:
            row = statements.run(self._connection, "4_close:count_vanished").fetchone()
            assert row is not None
            ours, others = row
            self._vanished[statements.keys] += ours
            sure = sure and not ours and not (self._vanished[statements.keys] and others)
            statements.run(self._connection, "4_close:close_settled", most_refused=MOST_REFUSED)
        return sure

    def _compare(self, now: datetime) -> int:
        """Compare both sides. Returns how many keys are newly added for judgement."""
        if self._cdc is None:
            return 0
        found = self._comparison.collect(self._connection, now, self._vanished)
        self._gaps = self._comparison.gaps
        return found

    def _collect(self) -> None:
        connection = self._connection
        taken_up = {statements.keys: self._take_up(statements) for statements in self._all_statements}
        reader = self._source.reader
        touched = Touched.by([one for found in taken_up.values() for one in found])
        self._comparison = Comparison(self._all_statements, touched, self._given.zone, reader)
        if self._cdc is not None:
            self._skipped = SkippedStatements(
                self._cdc,
                self._all_statements,
                self._reload.opened_at,
                touched.merging_since or self._reload.opened_at,
            )
        for statements in self._all_statements:
            self._require_staging(statements)
            statements.run(connection, "1_keys:create_keys")
            statements.create_rows(connection, statements.rows)
            statements.run(connection, "1_keys:create_again")
            with connection.transaction():
                prefer_probes(connection)
                statements.run(connection, "1_keys:collect_staged")
            self._left_out += collect_written(
                connection, statements, self._reload.reload_id, [one.reload_id for one in taken_up[statements.keys]]
            )
            # Of a window, rows are collected that may be wrong; of keys, all.
            if self._reload.window is None:
                statements.run(connection, "1_keys:collect_selected")
            elif statements.merge.table.limited_to is None:
                statements.run(connection, "1_keys:collect_orphans")
            self._left_out += mark_written(connection, statements, self._reload.group_name, self._reload.reload_id)
            analyze(connection, None, statements.keys)
        if self._skipped is not None:
            self._skipped.collect(connection)

    def _take_up(self, statements: ConfirmStatements) -> list[TakenUp]:
        """Find this reload, and the earlier ones whose rows of one table were never confirmed."""
        values = {
            "reload_id": self._reload.reload_id,
            "group_name": self._reload.group_name,
            "window_start": self._reload.load_start,
            "window_end": self._reload.window_end,
            "table_name": statements.merge.table.name,
        }
        with self._connection.cursor(row_factory=class_row(TakenUp)) as cursor:
            return cursor.execute(compose("confirm/1_keys:find_unconfirmed"), values).fetchall()

    def _require_staging(self, statements: ConfirmStatements) -> None:
        known = statements.merge.staged
        place = f"{known.staging_schema}.{known.staging_table}"
        found = statements.merge.run(self._connection, "1_preconditions:find_staging").fetchone()
        if found is None or found[0] is None:
            raise StagingGone(self._reload.title, place)
        if found[0] != known.staging_oid:
            raise StagingReplaced(self._reload.title, place)
        # After a crash of the server an unlogged table is empty.
        count_verified(self._connection, statements.merge)

    def _pass(self) -> datetime:
        """Judge every open key. Returns the instant of the source's clock up to which the source was read.

        Production is read first, so that CDC cannot have written anything into it that the source does not show next.
        Rows that hold a unique value which a correction needs are judged in the same pass.
        """
        while True:
            read_until = self._read_and_judge()
            if not collect_holders(self._connection, self._all_statements):
                break
        self._control.require(self._connection, self._all_statements)
        return read_until

    def _read_and_judge(self) -> datetime:
        connection = self._connection
        for statements in self._all_statements:
            with connection.transaction():
                prefer_probes(connection)
                statements.run(connection, "2_pass:note_production")
        read_again(
            connection,
            self._source,
            [Reading(statements, statements.keys, _IS_OPEN, statements.rows) for statements in self._all_statements],
        )
        read_until = self._source.now()
        for statements in self._all_statements:
            statements.run(connection, "2_pass:judge_keys")
            statements.run(connection, "2_pass:judge_overtaken", most_overtaken=MOST_OVERTAKEN)
        return read_until

    def _correct(self) -> int:
        """Make the corrections that CDC has passed. Returns how many rows were changed."""
        if self._given.fence is None:
            return self._apply()
        with self._given.fence():
            readings = [
                Reading(statements, statements.keys, _TO_CORRECT, statements.again)
                for statements in self._all_statements
            ]
            read_again(self._connection, self._source, readings)
            for statements in self._all_statements:
                statements.run(self._connection, "6_correct:put_off_changed")
            return self._apply()

    def _apply(self) -> int:
        changed = 0
        if self._count(CORRECTED):
            changed += self._corrections.apply()
            for statements in self._all_statements:
                statements.run(self._connection, "6_correct:note_corrected")
        if self._count((Verdict.PATCH,)):
            changed += sum(
                patch_rows(self._given.target, self._connection, statements, self._patience)
                for statements in self._all_statements
            )
        self._corrected += changed
        return changed

    def _require_current(self) -> None:
        arbiter = self._given.arbiter
        if arbiter is not None and (
            doubts := require_current(self._connection, self._all_statements, self._source, arbiter)
        ):
            self._given.say(
                f"{self._reload.title}: {doubts} rows were read older than before, and once more by a DMS task"
            )

    def _count(self, verdicts: Collection[Verdict] | None) -> int:
        """Count the open keys with one of the verdicts; None means any."""
        counts = [
            dict(statements.run(self._connection, "4_close:count_verdicts").fetchall())
            for statements in self._all_statements
        ]
        return sum(keys for one in counts for verdict, keys in one.items() if verdicts is None or verdict in verdicts)

    def _wait_passed(self, instant: datetime) -> None:
        if self._cdc is not None:
            self._waited += self._cdc.wait_passed(instant)

    def _open_ends(self) -> list[str]:
        """Return the reasons, besides refused corrections, why the reload cannot count as confirmed, as clauses."""
        return [*(self._skipped.open_ends if self._skipped else []), *self._comparison.open_ends]

    def _detail(self, report: Report, open_ends: Sequence[str], settled: bool) -> str:
        """Return the sentence about the confirm."""
        clauses = [
            f"{report.read_again} rows of all tables were read again from the source in {self._passes} passes, "
            f"{self._corrected} corrected, {self._waited:.1f} s waited for CDC",
            *report.left_clauses,
            *open_ends,
            *self._gaps,
            *self._left_out,
        ]
        if self._cdc is None:
            clauses.append("without the section cdc nobody can say how far CDC is")
        clauses += report.blocked_clauses
        if not settled:
            clauses.append(
                f"rows were still changing after {self._passes} passes; reload the window when it is quieter"
            )
        return "; ".join(clauses) + "."
