"""Finds the rows of production, the holders, that have a unique value which a correction needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.confirm.verdicts import Verdict
from reload_assets.merge.holders import advice, elsewhere, freed_indexes, selection, shown, unique_indexes

# The verdicts about a row that is not marked as deleted, and that the source has.
_IN_SOURCE = (Verdict.SAME, Verdict.LEFT, Verdict.UPDATE, Verdict.OVERTAKEN, Verdict.BLOCKED)


def collect_holders(connection: Connection[Any], all_statements: Sequence[ConfirmStatements]) -> bool:
    """Add the holders of values that corrections need to the keys of the confirm. Returns whether to judge once more.

    Only those are added whose removal, as the policy for orphans says, would free the value. The confirm removes them
    if the source no longer has them.
    """
    found = 0
    for statements in all_statements:
        for index in freed_indexes(statements.merge.table):
            pieces = statements.holder_pieces(index)
            if not statements.exact:
                found += statements.run(connection, "2_pass:mark_takers", pieces).rowcount
            found += statements.run(connection, "2_pass:collect_holders", pieces).rowcount
    return found > 0


def held_by(connection: Connection[Any], statements: ConfirmStatements, rule: str | None) -> str | None:
    """Return the reason for the released correction if another row has its value in the unique index ``rule``.

    None if no such row is found. The reason names that row's key, its time, and what to do about it.
    """
    reload, table = statements.merge.reload, statements.merge.table
    index = next((index for index in unique_indexes(table) if index.name == rule), None)
    if index is None:
        return None
    found = statements.run(connection, "6_correct:find_holder", statements.holder_pieces(index)).fetchone()
    if found is None:
        return None
    key, window, is_marked, verdict, refusal = found
    holder = shown(table, statements.merge.key_of(key), window)
    if refusal is not None:
        fix = f"that row could not be removed: {refusal}"
    elif is_marked or verdict not in (Verdict.ORPHAN, *_IN_SOURCE):
        fix = advice(reload, table, index, is_marked)
    elif verdict in _IN_SOURCE:
        fix = f"the source still has that row; {elsewhere(reload)}"
    else:
        remove = f"delete it in production, or set orphans: delete and reload {selection(reload)}"
        fix = f"the source no longer has it; {remove}"
    kind = "exclusion" if index.operators else "unique"
    return f"{kind} constraint {rule} of {table.target}: {holder}, has the value; {fix}"
