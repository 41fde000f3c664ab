"""Writes the merge of one table as a psql script that rolls back: for reading, for EXPLAIN and for timing.

A test checks that the statements have the order in which a merge runs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from psycopg import sql

from reload_assets.merge.holders import freed_indexes, holder_pieces, own_parent_pieces
from reload_assets.merge.pieces import ParkedPieces
from reload_assets.merge.side_effects import acting, acts_on_update, child_pieces, parked_pieces, updated_pieces
from reload_assets.merge.statements import MergeStatements
from reload_assets.merge.table import TO_WRITE
from reload_assets.merge.unique_swaps import SwapKey, recreated_pieces, swap_keys
from reload_assets.postgres.session import HASH_JOINS, PROBES
from reload_assets.postgres.statements import Parts, Step, commented_out, script

_NO_REREAD = (
    "-- Here the merge reads the rows with these keys again from the source. They are not read here: none is withheld."
)
_NO_ROLLBACK = "-- Not run here, because a rollback does not undo it."
_AFTER_HASH_JOINS = {**PROBES, "enable_nestloop": "on"}

Lines = Iterator[Step | str]


def merge_script(statements: MergeStatements, others: Sequence[MergeStatements] = ()) -> str:
    """Return the statements of one table's merge in their order, with its values, as one transaction.

    ``others`` are the other tables of the reload. The script leaves out what runs after a refusal (step 6), and the
    statements that cut a merge into chunks.
    """
    reload = statements.reload
    head = (
        f"The merge of {statements.table.target} by {reload.title}. It ends with ROLLBACK: nothing is changed.\n"
        "Rows whose parent is merged before them by the same reload count as parentless here, and are left out."
    )
    values = {
        "group_name": reload.group_name,
        "selected": reload.selected,
        **statements.values,
    }
    return script(head, _steps(statements, others), values)


def _steps(statements: MergeStatements, others: Sequence[MergeStatements]) -> Lines:
    late = {one.table.target: one for one in (statements, *others) if one.position >= statements.position}
    waits = statements.table.production.has_deferrable
    yield from _preconditions(statements, late)
    if waits:
        yield "SET CONSTRAINTS ALL DEFERRED;"
    yield from _judge(statements, late)
    moving = [unique for unique in swap_keys(statements) if not unique.index.deferrable]
    children = sorted({one.child_oid for one in acting(statements) if one.child != statements.table.target})
    if children:
        yield _step(statements, "5_effects:count_written", children=children)
    yield from _write_locked(statements, moving) if moving else _write_judged(statements)
    if children:
        yield _step(statements, "5_effects:count_written", children=children)
    if statements.table.production.triggers:
        yield _step(statements, "5_effects:find_missing")
    for sequence, pieces in statements.sequences():
        yield _NO_ROLLBACK
        yield commented_out(_step(statements, "5_effects:advance_sequence", pieces, sequence=sequence))
    if waits:
        yield "SET CONSTRAINTS ALL IMMEDIATE;"


def _preconditions(statements: MergeStatements, late: Mapping[str, MergeStatements]) -> Lines:
    for name in ("lock_selection", "lock_reload", "find_staging"):
        yield _step(statements, f"1_preconditions:{name}")
    yield _lock(statements.staged.staging_schema, statements.staged.staging_table, "SHARE")
    for key in statements.table.production.foreign_keys:
        parent = key.parent_in(late)
        if parent and (pieces := statements.parent_pieces(key, late[parent])):
            yield _step(statements, "1_preconditions:find_missing_parents", pieces)
    yield _set(PROBES)
    yield _step(statements, "1_preconditions:count_staged")


def _judge(statements: MergeStatements, late: Mapping[str, MergeStatements]) -> Lines:
    yield _step(statements, "2_judge:judge_rows")
    yield sql.SQL("ANALYZE {};").format(sql.Identifier(statements.delta)).as_string()
    yield _step(statements, "2_judge:count_outcomes")
    yield from _withhold_takers(statements)
    for key in statements.table.production.foreign_keys:
        if key.parent_in(late) or (pieces := statements.parent_pieces(key, None)) is None:
            continue
        yield _step(statements, "2_judge:mark_parentless", pieces)
        yield _step(statements, "2_judge:withhold_children", pieces)
        yield _step(statements, "2_judge:create_reread")
        yield _step(statements, "2_judge:list_keys", outcomes=["parentless"])
        yield _NO_REREAD
        yield _step(statements, "2_judge:withhold_rows", outcomes=[])
        yield _drop(statements.reread)
        yield _step(statements, "2_judge:count_parentless", pieces)


def _withhold_takers(statements: MergeStatements) -> Lines:
    for index in freed_indexes(statements.table):
        takers = _step(statements, "2_judge:withhold_takers", holder_pieces(statements, index))
        yield takers
        for parents in own_parent_pieces(statements):
            yield _step(statements, "2_judge:withhold_own_children", parents)
        yield "-- The merge repeats this until no more rows are withheld."
        yield takers
    if freed_indexes(statements.table):
        yield _step(statements, "2_judge:refuse_withheld")
        yield _step(statements, "2_judge:count_outcomes")


def _write_judged(statements: MergeStatements) -> Lines:
    late = replace(statements, only_late=True)
    yield from _find_followed(statements)
    yield _step(statements, "3_write:insert_rows")
    yield _step(statements, "3_write:update_judged_rows")
    yield _set(HASH_JOINS)
    yield _step(statements, "3_write:create_late")
    yield _step(statements, "3_write:remove_late")
    yield _set(_AFTER_HASH_JOINS)
    yield _step(late, "3_write:lock_rows", judged=TO_WRITE)
    yield from _find_turned_away(late, every_row=True)
    yield from _find_followed(late)
    yield _step(late, "2_judge:count_outcomes")
    yield _step(late, "3_write:update_rows", any_moved=False)
    if statements.table.production.triggers:
        yield _step(late, "5_effects:find_missing")
    yield _step(statements, "2_judge:count_outcomes")


def _write_locked(statements: MergeStatements, moving: Sequence[SwapKey]) -> Lines:
    strict = [unique for unique in moving if unique.parking is None]
    for unique in strict:
        yield from _find_givers(statements, unique)
        yield _drop(statements.givers)
        yield _lock(statements.pieces.schema, statements.pieces.table, "EXCLUSIVE")
    yield _step(statements, "3_write:lock_rows", judged=["updated", "repaired"])
    yield from _find_followed(statements)
    for unique in (one for one in moving if one.parking is not None):
        yield from _find_givers(statements, unique)
        for reference in acts_on_update(statements.table, [unique.parking or ""]):
            yield _step(statements, "5_effects:find_followed", child_pieces(reference), parked_pieces(statements))
        yield _step(statements, "4_unique_swaps:park_values", ParkedPieces(unique.parking or ""))
        yield _drop(statements.givers)
    for unique in strict:
        yield from _find_givers(statements, unique)
        yield _step(statements, "4_unique_swaps:replace_rows", recreated_pieces(statements))
        yield _drop(statements.givers)
    yield _step(statements, "3_write:insert_rows")
    yield _set(HASH_JOINS)
    yield _step(statements, "4_unique_swaps:mark_lost_rows")
    yield _set(_AFTER_HASH_JOINS)
    yield _step(statements, "3_write:lock_rows", judged=["lost"])
    yield from _find_turned_away(statements, every_row=False)
    yield from _find_followed(statements)
    yield "-- If rows were lost, the merge moves the values again that they take over."
    yield _step(statements, "2_judge:count_outcomes")
    yield _step(statements, "3_write:update_rows", any_moved=True)


def _find_givers(statements: MergeStatements, unique: SwapKey) -> Lines:
    yield _set(HASH_JOINS)
    yield _step(statements, "4_unique_swaps:find_givers", unique.pieces)
    yield _set(_AFTER_HASH_JOINS)
    yield _step(statements, "4_unique_swaps:count_givers")


def _find_followed(statements: MergeStatements) -> Lines:
    for reference in acting(statements):
        yield _step(
            statements, "5_effects:find_followed", child_pieces(reference), updated_pieces(statements, reference)
        )


def _find_turned_away(statements: MergeStatements, *, every_row: bool) -> Lines:
    yield _step(statements, "5_effects:find_turned_away", every_row=every_row)
    if any(trigger.on_insert and trigger.turns_away for trigger in statements.table.production.triggers):
        yield "SAVEPOINT try_insert;"
        yield _step(statements, "5_effects:try_insert")
        yield "ROLLBACK TO SAVEPOINT try_insert;"


def _step(statements: MergeStatements, name: str, *pieces: Parts, **values: object) -> Step:
    return Step(f"merge/{name}", (statements.pieces, *pieces), values)


def _set(settings: Mapping[str, str]) -> str:
    return "\n".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())


def _lock(schema: str, table: str, mode: str) -> str:
    return sql.SQL("LOCK TABLE {} IN {} MODE;").format(sql.Identifier(schema, table), sql.SQL(mode)).as_string()


def _drop(table: str) -> str:
    return sql.SQL("DROP TABLE {};").format(sql.Identifier(table)).as_string()
