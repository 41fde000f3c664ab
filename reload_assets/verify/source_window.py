"""``window_matches_source``: production's window has the keys and versions that the source's has.

Both sides are the canonical text of ``reload_assets.source.canonical``: the source makes its own, production's is made
by the same rules inside PostgreSQL, and the two are compared there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql

from reload_assets.cdc import Cdc
from reload_assets.source.columns import Kind
from reload_assets.source.production import production_text
from reload_assets.statements import Part, compose, run
from reload_assets.tables import ReloadColumn, ReloadTable
from reload_assets.verify.outcomes import CheckOutcome, Fact, counted, examples

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# Extra rows that are looked up in the source by key, to tell rows it deleted from rows it moved out of the window.
_LOOKED_UP = 1_000
# A row that changes between the read of the source and that of production differs without being wrong.
_LOOKS = 3


@dataclass(frozen=True)
class _Found:
    """Rows by outcome with some of their keys; of the extra rows that were looked up, how many the source has not."""

    counts: Mapping[str, int]
    some: Mapping[str, Sequence[str]]
    looked_up: int
    gone: int


def compare_with_source(
    name: str,
    connection: Connection[Any],
    table: ReloadTable,
    bounds: tuple[datetime, datetime],
    reader: SourceReader | None,
    cdc: Cdc | None,
) -> CheckOutcome:
    """The outcome. ``bounds`` are wall-clock values of the source's zone; the connection is in autocommit mode.

    With ``cdc`` production is looked at when CDC has passed what was read of the source, and again where it differs.
    Raises SourceUnavailable, CdcNotReady, and psycopg's errors.
    """
    kinds = _kinds(table)
    if reader is None:
        detail = f"{table.target} could not be compared with the source: configure source.connection to do so."
        return CheckOutcome(name, "could not verify", False, detail)
    if isinstance(kinds, str):
        detail = f"{table.target} could not be compared with the source: {kinds}."
        return CheckOutcome(name, "could not verify", False, detail)
    for _ in range(_LOOKS):
        # One transaction, for the temporary table; the source is read first, so that production can only be ahead of
        # it.
        with connection.transaction():
            _copy(connection, table, bounds, reader)
            if cdc is not None:
                cdc.wait_passed(reader.now())
            outcome = _outcome(name, table, _compare(connection, table, kinds, bounds, reader))
        if outcome.status == "passed" or cdc is None:
            break
    return outcome


def _kinds(table: ReloadTable) -> dict[str, Kind] | str:
    """The canonical rule of each key column and of the version, by name in the source; or why there is none."""
    if table.source_columns is None:
        return "there is no description of the source's columns"
    described = {column.name: column for column in table.source_columns}
    kinds: dict[str, Kind] = {}
    for column in (*table.key, table.version):
        kind = described[column.source].kind
        if kind is None:
            return f"{column.source} is {described[column.source].declared}, which has no text that both sides share"
        kinds[column.source] = kind
    return kinds


def _copy(
    connection: Connection[Any], table: ReloadTable, bounds: tuple[datetime, datetime], reader: SourceReader
) -> None:
    keys = sql.SQL(", ").join(sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in _numbered(table))
    run(connection, "verify/create_source_window", {"keys": keys})
    batches = reader.keys_and_versions(
        table.source_table,
        [column.source for column in table.key],
        table.version.source,
        table.window.source,
        bounds[0],
        bounds[1],
    )
    with connection.cursor() as cursor, cursor.copy(compose("verify/copy_source_window")) as copy:
        for batch in batches:
            for row in batch:
                copy.write_row(row)
    run(connection, "verify/analyze_source_window")


def _compare(
    connection: Connection[Any],
    table: ReloadTable,
    kinds: Mapping[str, Kind],
    bounds: tuple[datetime, datetime],
    reader: SourceReader,
) -> _Found:
    names = _numbered(table)
    version_kind = kinds[table.version.source]
    pairs = list(zip(names, table.key, strict=True))
    parts: dict[str, Part] = {
        "schema": table.production.schema,
        "table": table.production.name,
        "window_column": table.window.name,
        "keys": sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(production_text("p", column.name, kinds[column.source]), sql.Identifier(name))
            for name, column in pairs
        ),
        "same_key": sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("s", name), sql.Identifier("p", name)) for name in names
        ),
    }
    values = {"start": bounds[0], "end": bounds[1]}
    rows = run(
        connection,
        "verify/compare_window",
        {
            **parts,
            "version": production_text("p", table.version.name, version_kind),
            "elsewhere": sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(sql.Identifier("w", column.name), _typed(name, column, kinds[column.source]))
                for name, column in pairs
            ),
            "elsewhere_version": production_text("w", table.version.name, version_kind),
            "key_text": sql.SQL("concat_ws(', ', {})").format(
                sql.SQL(", ").join(
                    sql.SQL("coalesce({}, {})").format(sql.Identifier("s", name), sql.Identifier("p", name))
                    for name in names
                )
            ),
            "production_later": _later(version_kind),
        },
        **values,
    ).fetchall()
    counts = {outcome: count for outcome, count, _ in rows}
    some = {outcome: keys for outcome, _, keys in rows}
    looked_up = gone = 0
    if counts.get("extra"):
        key_list = sql.SQL(", ").join(sql.Identifier("p", name) for name in names)
        extra = run(
            connection, "verify/extra_keys", {**parts, "key_list": key_list}, **values, limit=_LOOKED_UP
        ).fetchall()
        sources = [column.source for column in table.key]
        there = sum(1 for _ in reader.rows_by_key(table.source_table, sources, sources, extra))
        looked_up, gone = len(extra), len(extra) - there
    return _Found(counts, some, looked_up, gone)


def _outcome(name: str, table: ReloadTable, found: _Found) -> CheckOutcome:
    keys = [column.name for column in table.key]
    counts = {kind: found.counts.get(kind, 0) for kind in ("same", "newer", "missing", "other", "extra")}
    facts: dict[str, Fact] = dict(counts)
    if counts["extra"]:
        facts |= {"extra_looked_up": found.looked_up, "extra_gone_from_source": found.gone}
    words = {
        "missing": "missing in production",
        "other": "of another version in production",
        "extra": "in production only",
    }
    wrong = []
    for kind, text in words.items():
        if count := counts[kind]:
            sentence = f"{counted(count, 'row')} {text} ({examples(found.some[kind], keys, count)})"
            if kind == "extra":
                moved = found.looked_up - found.gone
                of = "" if found.looked_up == count else f" of the first {found.looked_up:,}"
                sentence += f", {found.gone:,}{of} gone from the source and {moved:,} moved out of the window there"
            wrong.append(sentence)
    lag = (
        f"; {counted(counts['newer'], 'row')} newer in production than when the source was read"
        if counts["newer"]
        else ""
    )
    if wrong:
        detail = (
            f"The window of {table.target} is not the source's: {'; '.join(wrong)}{lag}; check again once CDC has "
            "caught up, then reload the window, or remove rows that the source has deleted."
        )
        return CheckOutcome(name, "failed", False, detail, facts)
    total = counts["same"] + counts["newer"]
    detail = f"The window of {table.target} has the keys and versions of the source's {counted(total, 'row')}{lag}."
    return CheckOutcome(name, "passed", False, detail, facts)


def _numbered(table: ReloadTable) -> list[str]:
    return [f"k{number}" for number in range(1, len(table.key) + 1)]


def _typed(name: str, column: ReloadColumn, kind: Kind) -> sql.Composed:
    """A key of the source as a value of production's type, so that an index finds it."""
    key = sql.Identifier("s", name)
    if kind == "raw":
        return sql.SQL("decode({}, 'hex')").format(key)
    return sql.SQL("CAST({} AS {})").format(key, sql.SQL(column.target.type))


def _later(kind: Kind) -> sql.SQL:
    if kind == "number":
        return sql.SQL("production_version::numeric > source_version::numeric")
    # Canonical times sort as text; by code points, whatever the database's collation.
    return sql.SQL('production_version COLLATE "C" > source_version COLLATE "C"')
