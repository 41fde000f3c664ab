"""The check ``staged_in_production``: production has every staged row, or has it as the source has it by now.

After the merge, CDC and confirm write production, and what they write is right if it equals the source. So each staged
row that production lacks or has with other content is read again from the source. The source is read first, and
production once CDC has passed that. A row is wrong if two reads of the source in succession found the same, and
production, read after each, had something else. A row that the source changes at every read is left to the next reload.

Without a source connection only row versions help: rows that somebody else wrote since the merge are counted, and any
other difference is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql

from reload_assets.canonical.postgres import TextRule
from reload_assets.cdc.position import Cdc
from reload_assets.confirm.reread import Key, ReaderRows, Wanted
from reload_assets.errors.reloads import StagingChanged, StagingGone
from reload_assets.keys import key_rule
from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.merge.statements import without_domains
from reload_assets.postgres.session import drop_table, truncate
from reload_assets.postgres.statements import Part, run
from reload_assets.source_texts import readable
from reload_assets.tables import ReloadColumn, ReloadTable
from reload_assets.verify.context import is_there
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.pieces import StagingTable, comma, differing_pieces, judge_pieces

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

NAME = "staged_in_production"
_LOOKS = 4
_EXAMPLES = 5
_ROWS = "staged_source_rows"
_WRONG = {
    "missing": ("lost", "not in production"),
    "older": ("older", "in production only as an older version"),
    "other": ("other", "in production with the same version and other content"),
}
_APART = {
    "newer": "newer in production",
    "unversioned": "left alone for lack of a version",
    "skipped": "left alone by policy",
    "absent": "not in production, where only columns are repaired",
    "deleted_since": "deleted from production since",
    "changed_since": "changed in production since",
}


@dataclass
class _Found:
    """Counts of rows, and some keys of wrong rows by outcome."""

    counts: dict[str, int] = field(default_factory=dict)
    some: dict[str, list[str]] = field(default_factory=dict)

    def add(self, fact: str, rows: int = 1) -> None:
        self.counts[fact] = self.counts.get(fact, 0) + rows

    def wrong(self, outcome: str, rows: int, keys: Sequence[str]) -> None:
        self.add(_WRONG[outcome][0], rows)
        known = self.some.setdefault(outcome, [])
        known += keys[: _EXAMPLES - len(known)]


def staged_in_production(
    connection: Connection[Any],
    reload: Reload,
    table: ReloadTable,
    staged: StagedTable,
    reader: SourceReader | None,
    cdc: Cdc | None,
) -> CheckOutcome:
    """Return the outcome.

    The connection is in autocommit mode. Raises SourceUnavailable, CdcNotReady, psycopg's errors.
    """
    place = f"{staged.staging_schema}.{staged.staging_table}"
    if not is_there(connection, staged):
        return CheckOutcome(NAME, "could not verify", False, str(StagingGone(reload.title, place)))
    staging = StagingTable(staging_schema=staged.staging_schema, staging_table=staged.staging_table)
    row = run(connection, "verify/2_staging:count_rows", staging).fetchone()
    assert row is not None
    if row[0] != staged.staged_rows:
        # Staging is unlogged: after a crash of the server it is empty.
        changed = StagingChanged(reload.title, place, row[0], staged.staged_rows)
        return CheckOutcome(NAME, "could not verify", False, str(changed))
    # The temporary table lives as long as this transaction.
    with connection.transaction():
        found = _Look(connection, reload, table, staged).look(reader, cdc)
    return _outcome(table, place, found, row[0])


def _outcome(table: ReloadTable, place: str, found: _Found, staged_rows: int) -> CheckOutcome:
    facts: dict[str, Fact] = {"equal": staged_rows - sum(found.counts.values())}
    facts |= {fact: found.counts.get(fact, 0) for fact in (*_APART, "lost", "older", "other")}
    names = [column.name for column in table.key]
    wrong = [
        f"{counted(found.counts[fact], 'staged row')} {words} "
        f"({examples(found.some[outcome], names, found.counts[fact])})"
        for outcome, (fact, words) in _WRONG.items()
        if found.counts.get(fact)
    ]
    if wrong:
        detail = f"{table.target} has {'; '.join(wrong)}; reload the window again."
        return CheckOutcome(NAME, "failed", False, detail, facts)
    apart = [f"{counted(found.counts[fact], 'row')} {text}" for fact, text in _APART.items() if found.counts.get(fact)]
    rest = f", apart from {', '.join(apart)}" if apart else ""
    detail = f"Every row of {place} is in {table.target} as it was staged{rest}."
    return CheckOutcome(NAME, "passed", False, detail, facts)


class _Look:
    def __init__(self, connection: Connection[Any], reload: Reload, table: ReloadTable, staged: StagedTable) -> None:
        self.connection, self.reload, self.table, self.staged = connection, reload, table, staged
        self.numbers = {column.name: f"c{number}" for number, column in enumerate(table.columns, start=1)}
        self.key_names = [f"k{number}" for number, _ in enumerate(table.key, start=1)]

    def look(self, reader: SourceReader | None, cdc: Cdc | None) -> _Found:
        """Return why production differs from staged rows."""
        self._collect()
        found, suspicious = _Found(), 0
        by_source = reader is not None and readable(self.table) is None
        left_alone = {"newer": "newer", "unversioned": "unversioned"}
        if self.table.options.equal_version != "repair":
            left_alone["other"] = "skipped"
        if self.table.limited_to is not None:
            left_alone["missing"] = "absent"
        # Production had these before the merge, which wrote none of them: the audit cannot tell them from lost rows.
        known = self.staged
        untouched = known.identical + known.refused + known.unversioned + known.skipped
        for outcome, corrected, since, rows, keys in run(
            self.connection, "verify/4_after_merge:count_differing"
        ).fetchall():
            if outcome in left_alone:
                found.add(left_alone[outcome], rows)
            elif by_source:
                suspicious += rows
            elif outcome == "missing":
                if since or rows <= untouched:
                    found.add("deleted_since", rows)
                else:
                    found.wrong(outcome, rows, keys)
            elif corrected or since:
                found.add("newer" if corrected else "changed_since", rows)
            else:
                found.wrong(outcome, rows, keys)
        if suspicious:
            assert reader is not None
            self._ask_source(found, ReaderRows(reader), cdc, list(left_alone))
        return found

    def _collect(self) -> None:
        table = self.table
        run(
            self.connection,
            "verify/4_after_merge:collect_differing",
            StagingTable(staging_schema=self.staged.staging_schema, staging_table=self.staged.staging_table),
            differing_pieces(table, self.numbers, self.key_names, [self._rule(column) for column in table.key]),
            reload_id=self.reload.reload_id,
            table_name=table.name,
        )

    def _ask_source(self, found: _Found, source: ReaderRows, cdc: Cdc | None, left_alone: Sequence[str]) -> None:
        table = self.table
        staging: dict[str, Part] = {
            "staging_schema": self.staged.staging_schema,
            "staging_table": self.staged.staging_table,
        }
        columns = without_domains(table.columns, self.numbers)
        run(
            self.connection,
            "confirm/1_keys:create_rows",
            {**staging, "source_rows": _ROWS, "s_without_domains": columns},
        )
        pieces = judge_pieces(table, self.numbers, _ROWS)
        before: dict[str, str | None] = {}
        for _ in range(_LOOKS):
            truncate(self.connection, None, _ROWS)
            source.fill(self.connection, [Wanted(table, _ROWS, self._batches(source.batch))])
            if cdc is not None:
                cdc.wait_passed(source.now())
            settled, differing = [], {}
            for place, key, outcome, in_production, source_row, is_right in run(
                self.connection, "verify/4_after_merge:judge_differing", pieces
            ).fetchall():
                if outcome in left_alone:
                    settled.append(place)
                elif is_right:
                    settled.append(place)
                    found.add("changed_since" if in_production or source_row else "deleted_since")
                elif place in before and before[place] == source_row:
                    settled.append(place)
                    found.wrong(outcome, 1, [key])
                else:
                    differing[place] = source_row
            before = differing
            if not differing:
                break
            run(self.connection, "verify/4_after_merge:delete_settled", places=settled)
        # The source changed these rows at every read, so what production should have is not known.
        for source_row in before.values():
            found.add("changed_since" if source_row else "deleted_since")
        drop_table(self.connection, None, _ROWS)

    def _batches(self, size: int) -> Iterator[Sequence[Key]]:
        names = comma(sql.Identifier("d", name) for name in self.key_names)
        keys = run(self.connection, "verify/4_after_merge:list_differing", {"d_noted_key": names}).fetchall()
        for first in range(0, len(keys), size):
            yield keys[first : first + size]

    def _rule(self, column: ReloadColumn) -> TextRule:
        described = {source.name: source for source in self.table.source_columns or ()}
        return key_rule(described.get(column.source), column.target)
