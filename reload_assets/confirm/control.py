"""The positive control of confirm: before a row counts as gone from the source, rows that are there must be found.

"Not found by its key" says "deleted" only where the source finds rows by what production has of their keys. Types that
are known to change a key are refused when a reload opens; settings of an endpoint, triggers of production and masks
change some as well, unnoticed. So staged keys, which the load itself saw, are looked up too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.confirm.pieces import ControlPieces
from reload_assets.confirm.reread import SourceRows
from reload_assets.confirm.statements import ConfirmStatements, Reading, read_again
from reload_assets.errors.reloads import KeyTextDiffers
from reload_assets.merge.judge import Named
from reload_assets.merge.statements import both, comma, in_production, in_staging, texts
from reload_assets.postgres.session import analyze, drop_table, truncate
from reload_assets.tables import ReloadColumn
from reload_assets.verify.type_rules import parse_type

KEYS_PER_SHAPE = 8
"""Staged keys of one shape that are looked up; some of them may have been deleted since the load."""

# Shapes looked up at a time: no more than about 200 keys.
_MOST_SHAPES = 25
_ALL = sql.SQL("true")
# Numbers that are equal so far may be one number, rounded on one side.
_SAME_DECIMALS = 6
_INTEGERS = ("smallint", "integer", "bigint")


class Control:
    """The control over one confirm. Shapes of keys that the source was proved to find are not looked up again.

    The shape of a key is what may matter on its way: blanks, case, other letters, decimals, fractions of a second.
    """

    def __init__(self, source: SourceRows) -> None:
        self._source = source
        self._proven: set[tuple[str, str]] = set()

    def require(self, connection: Connection[Any], plans: Sequence[ConfirmStatements]) -> None:
        """Prove that what the plans' open keys are said to have lost in the source would have been found there.

        ``connection`` is in autocommit mode and holds the temporary tables. Where at least half of the staged keys of a
        shape are found, they prove it. Where they are not, because a purge took them or because they cannot be found,
        the source's rows of the window decide: none of them may be one that is said to be gone, or have its key in
        another spelling. Raises ReloadRefused where one is, and what the reading of the source raises.
        """
        checks = [check for plan in plans if (check := self._check(connection, plan)) is not None]
        if not checks:
            return
        try:
            self._look_up(connection, checks)
            for check in checks:
                found = check.run(connection, "3_gone:count_found").fetchall()
                enough = {shape for shape, keys, count in found if 2 * count >= keys}
                if unproven := [shape for shape in check.shapes if shape not in enough]:
                    self._require_none_listed(connection, check, unproven)
                self._proven |= {(check.plan.keys, shape) for shape in check.shapes}
        finally:
            for check in checks:
                drop_table(connection, None, check.table)

    def _check(self, connection: Connection[Any], plan: ConfirmStatements) -> _Check | None:
        found = _Check(plan, []).run(connection, "3_gone:list_gone_shapes").fetchall()
        shapes = sorted(shape for (shape,) in found if (plan.keys, shape) not in self._proven)
        if not shapes:
            return None
        check = _Check(plan, shapes)
        check.run(connection, "3_gone:create_control", sampled=shapes[:_MOST_SHAPES])
        return check

    def _look_up(self, connection: Connection[Any], checks: Sequence[_Check]) -> None:
        read_again(connection, self._source, [Reading(c.plan, c.table, _ALL, c.plan.again) for c in checks])
        for check in checks:
            check.run(connection, "3_gone:mark_found")

    def _require_none_listed(self, connection: Connection[Any], check: _Check, shapes: Sequence[str]) -> None:
        plan = check.plan
        check.run(connection, "3_gone:add_gone", sampled=shapes)
        truncate(connection, None, plan.again)
        with connection.transaction():
            self._source.fill_window(connection, plan.merge.table, plan.again, plan.merge.bounds)
        analyze(connection, None, plan.again)
        if other := check.run(connection, "3_gone:find_other_key", sampled=shapes).fetchone():
            raise self._refusal(plan, other[0], f"which has {plan.merge.key_of(other[1])}")
        check.run(connection, "3_gone:keep_listed")
        if check.run(connection, "3_gone:find_unfound").fetchone() is None:
            return
        # Once more: a row may have been inserted again since it was looked up.
        self._look_up(connection, [check])
        if left := check.run(connection, "3_gone:find_unfound").fetchone():
            raise self._refusal(plan, left[0], "which lists it among the rows of the window")

    @staticmethod
    def _refusal(plan: ConfirmStatements, key: Sequence[str], proof: str) -> KeyTextDiffers:
        merge = plan.merge
        table = merge.table
        return KeyTextDiffers(merge.reload.title, table.target, merge.key_of(key), table.source, proof)


class _Check:
    """One table's keys that are said to be gone, and their shapes that are not proven yet."""

    def __init__(self, plan: ConfirmStatements, shapes: Sequence[str]) -> None:
        self.plan, self.shapes = plan, shapes

    @property
    def table(self) -> str:
        """The temporary table of the keys that are looked up."""
        return _control(self.plan)

    def run(self, connection: Connection[Any], name: str, sampled: Sequence[str] = ()) -> Any:
        """Execute ``sql/confirm/<file>:<section>``; ``sampled`` are the shapes that it is about."""
        return self.plan.run(connection, name, control_pieces(self.plan), shapes=list(sampled), each=KEYS_PER_SHAPE)


def control_pieces(plan: ConfirmStatements) -> ControlPieces:
    """Compose the pieces of the control of one table."""
    key = plan.merge.table.key
    return ControlPieces(
        control=_control(plan),
        k_shape=_shape(key, plan.in_key),
        s_shape=_shape(key, in_staging),
        s_key_text=sql.SQL("array_to_string({}, ',')").format(texts(in_staging(column) for column in key)),
        a_key_texts=texts(plan.in_again(column) for column in key),
        k_is_s=plan.merge.same_key(plan.in_key, in_staging),
        k_is_like_a=both(
            sql.SQL("{} = {}").format(_plain(column, plan.in_key(column)), _plain(column, plan.in_again(column)))
            for column in key
        ),
        p_is_a=plan.merge.same_key(in_production, plan.in_again),
    )


def _control(plan: ConfirmStatements) -> str:
    return f"confirm_control_{plan.merge.position}"


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
    """Return what stays the same of a key's value when it is spelled in another way."""
    base = parse_type(column.target.base_type).base
    if base == "numeric":
        return sql.SQL("round({}, {})").format(value, sql.Literal(_SAME_DECIMALS))
    if column.target.collatable:
        return sql.SQL("translate(lower({}::text), ' {{}}-', '')").format(value)
    return value
