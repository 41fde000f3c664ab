"""What a logged statement that CDC skipped is about: its table, its keys as production reads them, and its error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reload_assets.cdc.position import Skipped
from reload_assets.cdc.skipped import Key, Statement, read_statement
from reload_assets.postgres.catalog import Column

_SQLSTATE = re.compile(r"sql_?state\W*([0-9A-Z]{5})\b", re.IGNORECASE)
_DATA_EXCEPTION = "22"
# DMS writes these words if the server reported no error.
_NO_ROW = re.compile(r"^\W*0 rows? affected", re.IGNORECASE)


def is_of(skipped: Skipped, table: tuple[str, str]) -> bool:
    """Return whether a statement is about a table, by the columns of DMS's list or by its own text."""
    if (skipped.owner.lower(), skipped.table.lower()) == (table[0].lower(), table[1].lower()):
        return True
    statement = read_statement(skipped.statement)
    return statement is not None and tuple(name.lower() for name in statement.table[-2:]) == (
        table[0].lower(),
        table[1].lower(),
    )


def readable(key: Sequence[Column], keys: Iterable[Key]) -> set[Key]:
    """Return keys as production's types read them: CDC writes a RAW as bytes, also where production has a uuid."""
    is_uuid = [column.base_type == "uuid" for column in key]
    return {
        tuple(value.removeprefix("\\x") if uuid else value for value, uuid in zip(one, is_uuid, strict=True))
        for one in keys
    }


def sqlstate(skipped: Skipped) -> str | None:
    """Return the SQLSTATE of the error; None if it has none."""
    found = _SQLSTATE.search(skipped.error)
    return found[1].upper() if found else None


def is_harmless(skipped: Skipped, statement: Statement | None) -> bool:
    """Return whether no row of a reload can be the cause: no row was found, or a value does not fit its column."""
    state = sqlstate(skipped)
    if state is not None:
        return state.startswith(_DATA_EXCEPTION)
    return statement is not None and statement.verb != "INSERT" and bool(_NO_ROW.match(skipped.error))
