"""Chooses key, window column and version column of a table. No choice reads a row or a catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.conversions.declared import INTEGERS
from reload_assets.conversions.pair import Pair
from reload_assets.errors import ConfigError
from reload_assets.keys import inexact
from reload_assets.postgres.catalog import UniqueKey
from reload_assets.proposal.hints import Hint, counts_versions, says
from reload_assets.proposal.paired import Columns, Described
from reload_assets.tables import ReloadColumn
from reload_assets.window_columns import require_window_column

# Other possibilities that a comment names.
_MOST_OTHERS = 3
_HINTED = {
    "change": "by its name, every change of a row sets it",
    "creation": "by its name, it is set when a row is created",
    None: "its name does not say when it is set",
}


@dataclass(frozen=True)
class Choice:
    """Columns of production, and the sentences that say why they were chosen. A guess says so itself."""

    columns: tuple[str, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotChosen:
    """Why there is nothing to choose, as the end of a sentence about the table."""

    why: str


@dataclass(frozen=True)
class Times:
    """The window column and the version column, which may be the same."""

    window: Choice
    version: Choice


@dataclass(frozen=True)
class _Candidate:
    """A column that can cut windows, with what speaks for it."""

    pair: Pair
    hint: Hint | None
    in_source: bool = field(kw_only=True)
    in_production: bool = field(kw_only=True)

    @property
    def name(self) -> str:
        return self.pair.target.name

    @property
    def described(self) -> str:
        column = self.pair.source
        nullable = "may be NULL (such a row is in no window)" if column.nullable else "NOT NULL"
        return f"{self.name} is {column.declared}, {nullable}, {self._indexed}"

    @property
    def short(self) -> str:
        column = self.pair.source
        return f"{self.name} ({column.declared}, {'may be NULL' if column.nullable else 'NOT NULL'}, {self._indexed})"

    @property
    def _indexed(self) -> str:
        if self.in_source and self.in_production:
            return "indexed on both sides"
        if self.in_source or self.in_production:
            has, lacks = ("the source", "production") if self.in_source else ("production", "the source")
            return f"indexed in {has}, not in {lacks}"
        return "not indexed"


def choose_key(table: Described, columns: Columns) -> Choice | NotChosen:
    """Choose a key: the primary key if it is one, else the unique index whose columns are NOT NULL, then the shortest.

    A key is unique on both sides, is fed as a whole, and keeps its values exactly.
    """
    fit: list[UniqueKey] = []
    unfit: list[str] = []
    for unique in table.production.unique_keys:
        why = _why_no_key(table, columns, unique)
        if why is None:
            fit.append(unique)
        else:
            unfit.append(f"({', '.join(unique.columns)}) {why}")
    if fit:
        best, *others = sorted(fit, key=lambda key: _key_rank(table, key))
        return Choice(tuple(best.columns), tuple(_why_this_key(table, best, others)))
    if not table.production.unique_keys:
        return NotChosen(f"{table.target} has no unique index over all rows; create one on the source's key")
    if not table.source_keys:
        return NotChosen("the source has neither a primary key nor a unique index for it; create one")
    return NotChosen(f"no key is one of both sides: {'; '.join(unfit)}")


def choose_times(table: Described, columns: Columns) -> Times | NotChosen:
    """Choose the window column and the version column.

    For both, a column that every change of a row sets is best, then one that is NOT NULL. After that, indexes count for
    the window, and the digits of the time for the version.
    """
    candidates = [found for pair in columns.pairs if (found := _candidate(table, pair)) is not None]
    if not candidates:
        return NotChosen(_why_no_window(columns))
    window, *others = sorted(candidates, key=_window_rank)
    # Beside the window column itself, only what is better can be the version.
    latest = min(candidates, key=lambda one: (*_version_rank(one), one is not window))
    numbers = [pair for pair in columns.pairs if _is_number_of_version(pair)]
    reasons = [f"{window.described}; {_HINTED[window.hint]}."]
    if window.hint != "change":
        reasons[0] = f"GUESS: {reasons[0]}"
    if others:
        more = f", and {len(others) - _MOST_OTHERS} more" if len(others) > _MOST_OTHERS else ""
        reasons.append(f"Also possible: {', '.join(one.short for one in others[:_MOST_OTHERS])}{more}.")
    return Times(Choice((window.name,), tuple(reasons)), _version(window, latest, numbers))


def _key_rank(table: Described, key: UniqueKey) -> tuple[bool, bool, int]:
    nullable = any(not table.production.column(name).not_null for name in key.columns)
    return not key.is_primary, nullable, len(key.columns)


def _why_no_key(table: Described, columns: Columns, key: UniqueKey) -> str | None:
    pairs = [columns.feeding(name) for name in key.columns]
    found = [pair for pair in pairs if pair is not None]
    if len(found) < len(pairs):
        unfed = next(name for name, pair in zip(key.columns, pairs, strict=True) if pair is None)
        return f"has {unfed}, which no column of {table.source} feeds"
    if not table.production.has_arbiter(key.columns):
        return "is deferrable, so that no merge can rely on it"
    if {pair.source.name for pair in found} not in [set(known) for known in table.source_keys]:
        return f"is not a key of {table.source}"
    why = next((why for pair in found if (why := inexact(pair.source, pair.target))), None)
    return f"does not keep its values: {why}" if why else None


def _why_this_key(table: Described, best: UniqueKey, others: Sequence[UniqueKey]) -> list[str]:
    reasons = [_PRIMARY_KEY if best.is_primary else _UNIQUE_INDEX]
    if nullable := [name for name in best.columns if not table.production.column(name).not_null]:
        named = ", ".join(nullable)
        reasons.append(f"GUESS: {named} may be NULL in production, and a row where it is cannot be found by its key.")
    if others:
        named = ", ".join(f"({', '.join(key.columns)})" for key in others[:_MOST_OTHERS])
        reasons.append(f"Also unique on both sides: {named}.")
    return reasons


_PRIMARY_KEY = "the primary key of production, which is unique in the source."
_UNIQUE_INDEX = "a unique index of both sides; production has no primary key that the source shares."


def _candidate(table: Described, pair: Pair) -> _Candidate | None:
    """Return the column if it can cut windows: a time, which production keeps as it is."""
    column = ReloadColumn(pair.source.name, pair.source.name.lower(), pair.target)
    try:
        require_window_column("", column, str(table.target), str(table.source), [pair.source])
    except ConfigError:
        return None
    if pair.conversion.loss is not None:
        return None
    return _Candidate(
        pair,
        says(pair.source.name, table.source.name, [one.name for one in table.columns]),
        in_source=pair.source.name in table.source_indexed,
        in_production=pair.target.name in table.indexed,
    )


def _window_rank(one: _Candidate) -> tuple[int, bool, int, int, int]:
    return (
        _hint_rank(one),
        one.pair.source.nullable,
        # An index counts on either side: each reload looks for its window on both.
        2 - one.in_source - one.in_production,
        -one.pair.source.fraction_digits,
        one.pair.source.position,
    )


def _version_rank(one: _Candidate) -> tuple[int, bool, int]:
    return _hint_rank(one), one.pair.source.nullable, -one.pair.source.fraction_digits


def _hint_rank(one: _Candidate) -> int:
    return ("change", "creation", None).index(one.hint)


def _is_number_of_version(pair: Pair) -> bool:
    is_whole = pair.declared.base in (*INTEGERS, "numeric") and pair.source.kind == "number"
    return is_whole and pair.conversion.loss is None and counts_versions(pair.source.name)


def _version(window: _Candidate, latest: _Candidate, numbers: Sequence[Pair]) -> Choice:
    if latest.hint == "change":
        seconds = "" if latest.pair.source.fraction_digits else _WHOLE_SECONDS
        others = [f"Also possible: {pair.target.name} ({pair.source.declared})." for pair in numbers[:1]]
        if latest is window:
            return Choice((window.name,), (f"the same column, for that reason{seconds}.", *others))
        return Choice((latest.name,), (f"{latest.described}; {_HINTED['change']}{seconds}.", *others))
    if numbers:
        name, declared = numbers[0].target.name, numbers[0].source.declared
        return Choice((name,), (f"GUESS: {name} is {declared}; by its name, every change of a row raises it.",))
    return Choice((window.name,), (_NO_VERSION,))


_WHOLE_SECONDS = "; two changes within a second have the same version, as it has whole seconds"
_NO_VERSION = (
    "GUESS: the same column, for lack of one that every change sets. Two states of a row then have the same version, "
    "so that a merge may write the older one, and only the confirm corrects it; if there is a better one, name it in "
    "version_column."
)


def _why_no_window(columns: Columns) -> str:
    why = (
        "no column is DATE or TIMESTAMP in the source and timestamp without time zone, with as many digits, in "
        "production"
    )
    near = [pair for pair in columns.pairs if _is_time(pair.source) or pair.declared.is_time]
    types = ", ".join(f"{pair.target.name} is {pair.source.declared} and {pair.target.type}" for pair in near)
    return f"{why} ({types})" if types else why


def _is_time(column: SourceColumn) -> bool:
    return column.type.family in ("time", "zoned")
