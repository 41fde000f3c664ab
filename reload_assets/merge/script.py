"""The merge of one table as a script for psql, which rolls back what it does: to read it, to explain it, to time it.

A test holds the order of the statements to that in which a merge runs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from psycopg import sql

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


def merge_script(plan: MergeStatements, others: Sequence[MergeStatements] = ()) -> str:
    """Return the statements of one table's merge in their order, with its values, as one transaction.

    ``others`` are the other tables of the reload. What runs after a refusal (step 6), and the statements that cut a
    merge in chunks, are not among them.
    """
    reload = plan.reload
    head = (
        f"The merge of {plan.table.target} by {reload.title}. It ends with ROLLBACK: nothing is changed.\n"
        "Rows whose parent is merged before them by the same reload count as parentless here, and are left out."
    )
    values = {
        "group_name": reload.group_name,
        "window_start": reload.window_start,
        "window_end": reload.window_end,
        **plan.values,
    }
    return script(head, _steps(plan, others), values)


def _steps(plan: MergeStatements, others: Sequence[MergeStatements]) -> Lines:
    late = {one.table.target: one for one in (plan, *others) if one.position >= plan.position}
    waits = plan.table.production.has_deferrable
    yield from _preconditions(plan, late)
    if waits:
        yield "SET CONSTRAINTS ALL DEFERRED;"
    yield from _judge(plan, late)
    moving = [unique for unique in swap_keys(plan) if not unique.key.deferrable]
    children = sorted({one.child_oid for one in acting(plan) if one.child != plan.table.target})
    if children:
        yield _step(plan, "5_effects:count_written", children=children)
    yield from _write_locked(plan, moving) if moving else _write_judged(plan)
    if children:
        yield _step(plan, "5_effects:count_written", children=children)
    if plan.table.production.triggers:
        yield _step(plan, "5_effects:find_missing")
    for sequence, pieces in plan.sequences():
        yield _NO_ROLLBACK
        yield commented_out(_step(plan, "5_effects:advance_sequence", pieces, sequence=sequence))
    if waits:
        yield "SET CONSTRAINTS ALL IMMEDIATE;"


def _preconditions(plan: MergeStatements, late: Mapping[str, MergeStatements]) -> Lines:
    for name in ("lock_window", "lock_reload", "find_staging"):
        yield _step(plan, f"1_preconditions:{name}")
    yield _lock(plan.staged.staging_schema, plan.staged.staging_table, "SHARE")
    for key in plan.table.production.foreign_keys:
        if key.parent in late and (pieces := plan.parent_pieces(key, late[key.parent])):
            yield _step(plan, "1_preconditions:find_missing_parents", pieces)
    yield _set(PROBES)
    yield _step(plan, "1_preconditions:count_staged")


def _judge(plan: MergeStatements, late: Mapping[str, MergeStatements]) -> Lines:
    yield _step(plan, "2_judge:judge_rows")
    yield sql.SQL("ANALYZE {};").format(sql.Identifier(plan.delta)).as_string()
    yield _step(plan, "2_judge:count_outcomes")
    for key in plan.table.production.foreign_keys:
        if key.parent in late or (pieces := plan.parent_pieces(key, None)) is None:
            continue
        yield _step(plan, "2_judge:mark_parentless", pieces)
        yield _step(plan, "2_judge:create_reread")
        yield _step(plan, "2_judge:list_keys", outcomes=["parentless"])
        yield _NO_REREAD
        yield _step(plan, "2_judge:withhold_rows", outcomes=[])
        yield _drop(plan.reread)
        yield _step(plan, "2_judge:count_parentless", pieces)


def _write_judged(plan: MergeStatements) -> Lines:
    late = replace(plan, only_late=True)
    yield from _find_followed(plan)
    yield _step(plan, "3_write:insert_rows")
    yield _step(plan, "3_write:update_judged_rows")
    yield _set(HASH_JOINS)
    yield _step(plan, "3_write:create_late")
    yield _step(plan, "3_write:remove_late")
    yield _set(_AFTER_HASH_JOINS)
    yield _step(late, "3_write:lock_rows", judged=TO_WRITE)
    yield from _find_turned_away(late, every_row=True)
    yield from _find_followed(late)
    yield _step(late, "2_judge:count_outcomes")
    yield _step(late, "3_write:update_rows", any_moved=False)
    if plan.table.production.triggers:
        yield _step(late, "5_effects:find_missing")
    yield _step(plan, "2_judge:count_outcomes")


def _write_locked(plan: MergeStatements, moving: Sequence[SwapKey]) -> Lines:
    strict = [unique for unique in moving if unique.parking is None]
    for unique in strict:
        yield from _find_givers(plan, unique)
        yield _drop(plan.givers)
        yield _lock(plan.pieces.schema, plan.pieces.table, "EXCLUSIVE")
    yield _step(plan, "3_write:lock_rows", judged=["updated", "repaired"])
    yield from _find_followed(plan)
    for unique in (one for one in moving if one.parking is not None):
        yield from _find_givers(plan, unique)
        for reference in acts_on_update(plan.table, [unique.parking or ""]):
            yield _step(plan, "5_effects:find_followed", child_pieces(reference), parked_pieces(plan))
        yield _step(plan, "4_unique_swaps:park_values", ParkedPieces(unique.parking or ""))
        yield _drop(plan.givers)
    for unique in strict:
        yield from _find_givers(plan, unique)
        yield _step(plan, "4_unique_swaps:replace_rows", recreated_pieces(plan))
        yield _drop(plan.givers)
    yield _step(plan, "3_write:insert_rows")
    yield _set(HASH_JOINS)
    yield _step(plan, "4_unique_swaps:mark_lost_rows")
    yield _set(_AFTER_HASH_JOINS)
    yield _step(plan, "3_write:lock_rows", judged=["lost"])
    yield from _find_turned_away(plan, every_row=False)
    yield from _find_followed(plan)
    yield "-- If rows were lost, the merge moves the values again that they take over."
    yield _step(plan, "2_judge:count_outcomes")
    yield _step(plan, "3_write:update_rows", any_moved=True)


def _find_givers(plan: MergeStatements, unique: SwapKey) -> Lines:
    yield _set(HASH_JOINS)
    yield _step(plan, "4_unique_swaps:find_givers", unique.pieces)
    yield _set(_AFTER_HASH_JOINS)
    yield _step(plan, "4_unique_swaps:count_givers")


def _find_followed(plan: MergeStatements) -> Lines:
    for reference in acting(plan):
        yield _step(plan, "5_effects:find_followed", child_pieces(reference), updated_pieces(plan, reference))


def _find_turned_away(plan: MergeStatements, *, every_row: bool) -> Lines:
    yield _step(plan, "5_effects:find_turned_away", every_row=every_row)
    if any(trigger.on_insert and trigger.turns_away for trigger in plan.table.production.triggers):
        yield "SAVEPOINT try_insert;"
        yield _step(plan, "5_effects:try_insert")
        yield "ROLLBACK TO SAVEPOINT try_insert;"


def _step(plan: MergeStatements, name: str, *pieces: Parts, **values: object) -> Step:
    return Step(f"merge/{name}", (plan.pieces, *pieces), values)


def _set(settings: Mapping[str, str]) -> str:
    return "\n".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())


def _lock(schema: str, table: str, mode: str) -> str:
    return sql.SQL("LOCK TABLE {} IN {} MODE;").format(sql.Identifier(schema, table), sql.SQL(mode)).as_string()


def _drop(table: str) -> str:
    return sql.SQL("DROP TABLE {};").format(sql.Identifier(table)).as_string()
