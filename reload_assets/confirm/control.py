"""Checks that the source finds rows that exist, before a confirm counts other rows as gone from the source.

"Not found by its key" means "deleted" only if the source finds rows by the keys that production has. A reload refuses
types that are known to change a key. But endpoint settings, triggers and masking can change keys unnoticed. So staged
keys, which the load itself read, are looked up too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection, sql

from reload_assets.confirm.pieces import ControlPieces
from reload_assets.confirm.reread import SourceRows
from reload_assets.confirm.statements import ConfirmStatements, Reading, read_again
from reload_assets.conversions.declared import parse_type
from reload_assets.errors.reloads import KeyTextDiffers
from reload_assets.ledger.records import Bounds
from reload_assets.merge.judge import Named
from reload_assets.merge.statements import both, comma, in_production, in_staging, texts
from reload_assets.postgres.session import analyze, drop_table, truncate
from reload_assets.tables import ReloadColumn

KEYS_PER_SHAPE = 8
"""How many staged keys of one shape are looked up. Some may have been deleted since the load."""

# How many shapes are looked up at a time: about 200 keys at most.
_MOST_SHAPES = 25
_ALL = sql.SQL("true")
_MINUTE = timedelta(minutes=1)
# Numbers that are equal up to this decimal may be one number that one side rounded.
_SAME_DECIMALS = 6
_INTEGERS = ("smallint", "integer", "bigint")


class Control:
    """The control of one confirm. It does not look up a shape of keys again once the source has found keys of it.

    The shape of a key is what may change in transit: blanks, case, non-ASCII letters, decimals, fractions of a second.
    """

    def __init__(self, source: SourceRows) -> None:
        self._source = source
        self._proven: set[tuple[str, str]] = set()

    def require(self, connection: Connection[Any], all_statements: Sequence[ConfirmStatements]) -> None:
        """Prove that the source would have found the open keys' rows that count as gone, if they existed.

        ``connection`` is in autocommit mode and holds the temporary tables. If the source finds at least half of the
        staged keys of a shape, that is the proof. If it does not, a purge may have deleted them, or they cannot be
        found. Then the source's rows of the window decide, or for selected keys those of the same minutes as the rows
        that count as gone: none of them may have such a key, or the same key in another spelling. Raises ReloadRefused
        if one has, and what reading the source raises.
        """
        checks = [check for statements in all_statements if (check := self._check(connection, statements)) is not None]
        if not checks:
            return
        try:
            self._look_up(connection, checks)
            for check in checks:
                found = check.run(connection, "3_gone:count_found").fetchall()
                enough = {shape for shape, keys, count in found if 2 * count >= keys}
                if unproven := [shape for shape in check.shapes if shape not in enough]:
                    self._require_none_listed(connection, check, unproven)
                self._proven |= {(check.statements.keys, shape) for shape in check.shapes}
        finally:
            for check in checks:
                drop_table(connection, None, check.table)

    def _check(self, connection: Connection[Any], statements: ConfirmStatements) -> _Check | None:
        found = _Check(statements, []).run(connection, "3_gone:list_gone_shapes").fetchall()
        shapes = sorted(shape for (shape,) in found if (statements.keys, shape) not in self._proven)
        if not shapes:
            return None
        check = _Check(statements, shapes)
        check.run(connection, "3_gone:create_control", sampled=shapes[:_MOST_SHAPES])
        if statements.merge.bounds is None:
            check.run(connection, "3_gone:add_neighbours", sampled=shapes[:_MOST_SHAPES])
        return check

    def _look_up(self, connection: Connection[Any], checks: Sequence[_Check]) -> None:
        read_again(connection, self._source, [Reading(c.statements, c.table, _ALL, c.statements.again) for c in checks])
        for check in checks:
            check.run(connection, "3_gone:mark_found")

    def _require_none_listed(self, connection: Connection[Any], check: _Check, shapes: Sequence[str]) -> None:
        statements = check.statements
        check.run(connection, "3_gone:add_gone", sampled=shapes)
        truncate(connection, None, statements.again)
        for bounds in self._listed(connection, check, shapes):
            with connection.transaction():
                self._source.fill_window(connection, statements.merge.table, statements.again, bounds)
        analyze(connection, None, statements.again)
        if other := check.run(connection, "3_gone:find_other_key", sampled=shapes).fetchone():
            raise self._refusal(statements, other[0], f"which has {statements.merge.key_of(other[1])}")
        check.run(connection, "3_gone:keep_listed")
        if check.run(connection, "3_gone:find_unfound").fetchone() is None:
            return
        # Look up once more: a row may have been inserted again since.
        self._look_up(connection, [check])
        if left := check.run(connection, "3_gone:find_unfound").fetchone():
            raise self._refusal(statements, left[0], "which lists it among the rows of the window")

    @staticmethod
    def _listed(connection: Connection[Any], check: _Check, shapes: Sequence[str]) -> list[Bounds]:
        """Return the ranges of the window column whose rows the source has to list."""
        window = check.statements.merge.bounds
        if window is not None:
            return [window]
        moments = check.run(connection, "3_gone:list_moments", sampled=shapes).fetchall()
        return [(moment, moment + _MINUTE) for (moment,) in moments]

    @staticmethod
    def _refusal(statements: ConfirmStatements, key: Sequence[str], proof: str) -> KeyTextDiffers:
        merge = statements.merge
        table = merge.table
        return KeyTextDiffers(merge.reload.title, table.target, merge.key_of(key), table.source, proof)


class _Check:
    """One table's keys that count as gone, and those of their shapes that are not yet proven."""

    def __init__(self, statements: ConfirmStatements, shapes: Sequence[str]) -> None:
        self.statements, self.shapes = statements, shapes

    @property
    def table(self) -> str:
        """The temporary table of the keys that are looked up."""
        return _control(self.statements)

    def run(self, connection: Connection[Any], name: str, sampled: Sequence[str] = ()) -> Any:
        """Execute ``sql/confirm/<file>:<section>`` for the shapes ``sampled``."""
        return self.statements.run(
            connection, name, control_pieces(self.statements), shapes=list(sampled), each=KEYS_PER_SHAPE
        )


def control_pieces(statements: ConfirmStatements) -> ControlPieces:
    """Compose the pieces that control one table."""
    key = statements.merge.table.key
    return ControlPieces(
        control=_control(statements),
        k_shape=_shape(key, statements.in_key),
        s_shape=_shape(key, in_staging),
        p_shape=_shape(key, in_production),
        p_key_descending=comma(sql.SQL("{} DESC").format(in_production(column)) for column in key),
        p_is_o=statements.merge.same_key(in_production, statements.merge.numbered("o")),
        s_key_text=sql.SQL("array_to_string({}, ',')").format(texts(in_staging(column) for column in key)),
        a_key_texts=texts(statements.in_again(column) for column in key),
        k_is_s=statements.merge.same_key(statements.in_key, in_staging),
        k_is_like_a=both(
            sql.SQL("{} = {}").format(
                _plain(column, statements.in_key(column)), _plain(column, statements.in_again(column))
            )
            for column in key
        ),
        p_is_a=statements.merge.same_key(in_production, statements.in_again),
    )


def _control(statements: ConfirmStatements) -> str:
    return f"confirm_control_{statements.merge.position}"


def _shape(columns: Sequence[ReloadColumn], named: Named) -> sql.Composable:
    return sql.SQL("concat_ws('/', '', {})").format(comma(_column_shape(column, named(column)) for column in columns))


def _column_shape(column: ReloadColumn, value: sql.Composable) -> sql.Composable:
    base = parse_type(column.target.base_type).base
    if base in _INTEGERS or base == "bytea":
        return sql.SQL("''")
    if base == "numeric":
        return sql.SQL("scale(trim_scale({}))::text").format(value)
    if base.startswith("timestamp"):
        return sql.SQL("concat({0} <> date_trunc('second', {0}), {0} < '0001-01-01')").format(value)
    features = (" $", " ", "[A-Z]", "[a-z]", "[^ -~]", "['\"%\\\\]")
    return sql.SQL("concat({})").format(
        comma(sql.SQL("({}::text ~ {})").format(value, sql.Literal(feature)) for feature in features)
    )


def _plain(column: ReloadColumn, value: sql.Composable) -> sql.Composable:
    """Return the part of a key's value that stays the same in another spelling."""
    base = parse_type(column.target.base_type).base
    if base == "numeric":
        return sql.SQL("round({}, {})").format(value, sql.Literal(_SAME_DECIMALS))
    if column.target.collatable:
        return sql.SQL("translate(lower({}::text), ' {{}}-', '')").format(value)
    return value
