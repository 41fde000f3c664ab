"""The finder of drift: compares a window of tables with the source, and asks for the reload of what drifted.

It loads nothing. It reads both sides within the bounds of ``finders.drift``, and writes what it found into
``admin.comparisons``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from psycopg import Error as DatabaseError

from reload_assets.cdc.position import Cdc
from reload_assets.compare.drifted import OUTCOMES, Drift
from reload_assets.config.finders import DriftConfig
from reload_assets.conversions.shared_text import why_not_compared
from reload_assets.errors import ReloadError
from reload_assets.errors.source import SourceNotConfigured
from reload_assets.finders.comparisons import note
from reload_assets.finders.finding import Finding, Key
from reload_assets.finders.keys import described, unfit
from reload_assets.finders.requesting import Asked
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import limit_statements
from reload_assets.tables import GroupTables, ReloadTable, resolve_group
from reload_assets.verify.outcome import counted, examples
from reload_assets.windows import Window

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

_EXAMPLES = 5


@dataclass(frozen=True)
class Compared:
    """What the comparison of one table's window came to. ``drift`` is None if ``error`` ended it.

    ``detail`` is a sentence. ``not_compared`` says why columns were not compared, by their names in the source.
    ``unfit`` are the known keys of missing rows that production cannot have, so that no reload brings them.
    """

    table: str
    comparison_id: int
    detail: str
    not_compared: Mapping[str, str]
    drift: Drift | None = None
    error: Exception | None = None
    unfit: Collection[Key] = ()


class DriftFinder:
    """Compares windows of one group. ``ask`` is None if nothing is to be asked for.

    ``zone`` is the source's. ``describe`` turns an error into its sentence.
    """

    def __init__(
        self,
        group: str,
        tables: GroupTables,
        settings: DriftConfig,
        zone: ZoneInfo,
        target: TargetDatabase,
        source: Callable[[], AbstractContextManager[SourceReader | None]],
        cdc: Cdc | None,
        ask: Callable[[Iterable[Finding]], Asked] | None,
        describe: Callable[[Exception], str],
    ) -> None:
        self._group, self._tables, self._settings, self._zone = group, tables, settings, zone
        self._target, self._source, self._cdc = target, source, cdc
        self._ask, self._describe = ask, describe

    def compare(self, window: Window, names: Sequence[str], run_id: str) -> tuple[list[Compared], Asked | None]:
        """Compare the window of some tables, one after the other. An error of one does not keep the others from it.

        Returns what was found, and what became of it as requests; None if nothing was asked for. Raises
        SourceUnavailable without a source connection.
        """
        with self._source() as reader:
            if reader is None:
                raise SourceNotConfigured(self._tables.place)
            with self._cdc.by_source_clock(reader.now) if self._cdc else nullcontext():
                found = [self._compare(window, name, run_id, reader) for name in names]
        findings = [finding for one in found for finding in self._findings(window, one)]
        return found, self._ask(findings) if self._ask is not None and findings else None

    def _compare(self, window: Window, name: str, run_id: str, reader: SourceReader) -> Compared:
        # Imported here because it imports SQLAlchemy, which a process without a source does not need.
        from reload_assets.compare.drift import find_drift
        from reload_assets.compare.pace import Pace

        settings = self._settings
        drift: Drift | None = None
        not_compared: dict[str, str] = {}
        wrong: Collection[Key] = ()
        failed: Exception | None = None
        try:
            with self._target.connect(autocommit=True) as connection:
                limit_statements(connection, settings.seconds)
                (table,) = resolve_group(self._tables, connection, reader, [name])
                drift = find_drift(
                    connection,
                    table,
                    window.in_zone(self._zone),
                    reader,
                    self._cdc,
                    Pace(settings.rows_per_second, settings.seconds),
                    keys=settings.keys,
                    inexact="all" if settings.lobs else "without lobs",
                )
                columns = [column.target for column in table.key]
                wrong = unfit(connection, columns, drift.keys.get("missing", ()))
            not_compared = {
                column.source: why_not_compared(pair.source, pair.target.base_type)
                for column, pair in table.pairs
                if column.source in drift.left_out
            }
            detail = " ".join(_sentences(table, drift, not_compared, sorted(wrong), settings.seconds))
        except (ReloadError, DatabaseError) as error:
            failed, detail = error, self._describe(error)
        number = note(self._target, self._group, name, window, run_id, drift, not_compared=not_compared, detail=detail)
        return Compared(name, number, detail, not_compared, drift, failed, wrong)

    def _findings(self, window: Window, compared: Compared) -> Iterator[Finding]:
        drift = compared.drift
        if drift is None or drift.drifted == len(compared.unfit):
            return
        known = drift.all_keys
        keys = [key for key in known if key not in compared.unfit]
        differing = {name: count for name, count in drift.counts.items() if name not in ("missing", "extra")}
        yield Finding(
            finder="drift",
            evidence_id=f"{compared.table}/{window.key}/{drift.began_at.isoformat()}",
            group=self._group,
            table=compared.table,
            keys=keys if len(known) == drift.drifted <= self._settings.keys else [],
            window=window,
            evidence={
                "comparison_id": compared.comparison_id,
                "source_rows": drift.source_rows,
                "production_rows": drift.production_rows,
                "missing": drift.counts.get("missing", 0),
                "extra": drift.counts.get("extra", 0),
                "differing": sum(differing.values()),
                **differing,
            },
            seen_at=drift.began_at,
        )


def _sentences(
    table: ReloadTable, drift: Drift, not_compared: Mapping[str, str], wrong: Sequence[Key], seconds: float
) -> Iterator[str]:
    """Yield what a person wants to know of a comparison, sentence by sentence."""
    names = [column.name for column in table.key]
    rows = counted(drift.source_rows, "row")
    if drift.drifted:
        each = "; ".join(
            f"{counted(drift.counts[outcome], 'row')} {text}"
            + (f" ({_some(drift, outcome, names)})" if drift.keys.get(outcome) else "")
            for outcome, text in OUTCOMES.items()
            if drift.counts.get(outcome)
        )
        yield f"{counted(drift.drifted, 'row')} of {table.target} drifted: {each}."
        if wrong:
            which = examples([", ".join(key) for key in wrong[:_EXAMPLES]], names, len(wrong))
            types = described([column.target for column in table.key])
            yield (
                f"No reload brings {counted(len(wrong), 'row')} ({which}), whose keys do not fit the key of production "
                f"({types}); widen its type."
            )
    else:
        but = ", except columns that are not compared" if not_compared else ""
        yield f"{table.target} has the keys, versions and content of the source's {rows}{but}."
    if not drift.is_whole:
        yield (
            f"The window was compared in part, {rows} of the source, because the {seconds:g} s of "
            "finders.drift.seconds were over; raise them, or finders.drift.rows_per_second."
        )
    if drift.left:
        left = ", ".join(f"{counted(count, 'row')} {OUTCOMES[outcome]}" for outcome, count in drift.left.items())
        yield f"The table's policies leave {left}."
    if drift.changing:
        yield f"{counted(drift.changing, 'row')} changed in the source whenever both sides were read."
    if not_compared:
        yield f"Not compared: {'; '.join(f'{name}, {why}' for name, why in not_compared.items())}."


def _some(drift: Drift, outcome: str, names: Sequence[str]) -> str:
    shown = [", ".join(key) for key in drift.keys[outcome][:_EXAMPLES]]
    return examples(shown, names, drift.counts[outcome])
