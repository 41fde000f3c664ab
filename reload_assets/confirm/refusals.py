"""Writes the reasons, kept in the ledger, why production refuses a correction and what to do about it."""

from __future__ import annotations

import psycopg

from reload_assets.merge.side_effects import action
from reload_assets.postgres.catalog import Reference
from reload_assets.postgres.refused import lacks_partition, words_of
from reload_assets.tables import ReloadTable

TAKEN = {"23505": "unique constraint", "23P01": "exclusion constraint"}
"""The rules by which another row has the value that a row needs, by SQLSTATE."""

_FOREIGN_KEY = "23503"
_RULES = {"23502": "NOT NULL column", "23514": "check constraint"}
_INSUFFICIENT_PRIVILEGE = "42501"
# Errors about the connection, the server, its objects or other transactions: no row is to blame for them.
_NO_ROW = ("08", "0A", "25", "28", "40", "42", "53", "54", "55", "57", "58", "F0", "XX")


class Refusal(Exception):
    """Production refuses the corrections of a batch, which is rolled back. ``reason``: why, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_refusal(error: psycopg.Error) -> bool:
    """Return whether an error is about a row and not about the connection, the server or another transaction."""
    state = error.sqlstate
    return state is not None and (state[:2] not in _NO_ROW or state == _INSUFFICIENT_PRIVILEGE)


def reason_of(table: ReloadTable, error: psycopg.Error) -> str:
    """Return the reason that an error gives: the rule, the SQLSTATE and PostgreSQL's words, but no values."""
    diag, state = error.diag, error.sqlstate or "none"
    said = words_of(error)
    place = f"{diag.schema_name}.{diag.table_name}" if diag.table_name else table.target
    if lacks_partition(error):
        return f"{said}; create a partition of {table.target} for the row"
    if state == _FOREIGN_KEY:
        advice = "reload the windows of the rows that refer to it"
        if place == table.target:
            advice = "reload the window of the row that it refers to"
        return f"foreign key {diag.constraint_name} of {place}, {said}; {advice}"
    if state in TAKEN:
        rule = f"{TAKEN[state]} {diag.constraint_name} of {place}"
        return f"{rule}, {said}; reload the window of the row that has the value"
    name = diag.constraint_name or diag.column_name
    rule = f"{_RULES.get(state, 'rule')} {name} of {place}, " if name else ""
    return f"{rule}{said}; fix the row in the source or the rule in production"


def followed(reference: Reference, event: str) -> str:
    """Return how a reason goes on after the number of referring rows: why they forbid the correction."""
    fix = "reload their windows, or delete them or let them refer to another row"
    acts = action(reference, event)
    if acts is None:
        return f" row(s) of {reference.child} refer to it (foreign key {reference.name}); {fix}"
    what = "go or change with it" if event == "DELETE" else "change with it"
    return (
        f" row(s) of {reference.child} refer to it and would {what} unaudited ({reference.name}, ON {event} {acts}); "
        f"{fix}"
    )


def one_stays(reason: str) -> str:
    """Return the reason for rows between which unique values would move, if one of them keeps its value."""
    return f"unique values move between these rows, one of which stays as it is: {reason}"


def newly_followed() -> str:
    """Return the reason if new rows referred to rows that were being corrected."""
    return "a row came to refer to it meanwhile"


def turned_away(table: ReloadTable) -> str:
    """Return the reason if a statement did not write the rows as it should, which triggers can cause."""
    names = ", ".join(f"{trigger.name} of {trigger.table}" for trigger in table.production.triggers) or "a rule"
    return f"a trigger of production turned it away ({names}); have the trigger let the login of target.connection pass"
