"""Every statement that Oracle is sent, read by a grammar of Oracle's SQL.

The grammar is that of sqlfluff. It takes some of what only other databases know, which is looked for beside it, and
cannot tell whether a function exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
import sqlfluff
from sqlalchemy.dialects import oracle
from sqlfluff.api.simple import APIParsingError
from sqlfluff.core import FluffConfig

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule
from reload_assets.canonical.text import source_instant, source_role
from reload_assets.source import dictionary
from reload_assets.source.server import session_and_clock
from reload_assets.source.session import ORACLE_SESSION
from reload_assets.source.statements import SourceTable

# One column of each type that has a canonical text, and one without; names that need their quotes.
COLUMNS = [
    ("ORDER#", "NUMBER", None, 10, 0),
    ("BARE", "NUMBER", None, None, None),
    ("FLOAT", "FLOAT", None, 126, None),
    ("CODE", "CHAR", 10, None, None),
    ("NCODE", "NCHAR", 10, None, None),
    ("NAME", "VARCHAR2", 4000, None, None),
    ("Größe", "NVARCHAR2", 2000, None, None),
    ("DIGEST", "RAW", 16, None, None),
    ("DAY", "DATE", None, None, None),
    ("A:B", "TIMESTAMP(9)", None, None, 9),
    ("UPDATED_AT", "TIMESTAMP(6)", None, None, 6),
    ("BODY", "CLOB", None, None, None),
    ("NBODY", "NCLOB", None, None, None),
    ("SCAN", "BLOB", None, None, None),
    ("SINGLE", "BINARY_FLOAT", None, None, None),
    ("SENT", "TIMESTAMP(6) WITH TIME ZONE", None, None, 6),
]
# As a search for drift compares them.
INEXACT = {
    "FLOAT": TextRule("double"),
    "BODY": TextRule("clob"),
    "NBODY": TextRule("nclob"),
    "SCAN": TextRule("blob"),
    "SINGLE": TextRule("real"),
    "SENT": TextRule("instant"),
}
ORDERS = SourceTable(
    "SALES",
    "ORDERS",
    tuple(SourceColumn(*described, True, number) for number, described in enumerate(COLUMNS, start=1)),
)
NAMES = [name for name, *_ in COLUMNS]
TEXTS = NAMES[: NAMES.index("BODY")]
WINDOW = ("UPDATED_AT", datetime(2025, 1, 2), datetime(2025, 1, 3))
STATEMENTS: dict[str, Callable[[], sa.Select[Any]]] = {
    "clock and role": lambda: sa.select(source_instant(), source_role()),
    "users": dictionary.users,
    "tables": lambda: dictionary.tables("SALES"),
    "columns": lambda: dictionary.columns("SALES", "ORDERS", collations=True),
    "columns before 12.2": lambda: dictionary.columns("SALES", "ORDERS", collations=False),
    "constraints": lambda: dictionary.unique_constraints("SALES", "ORDERS"),
    "indexes": lambda: dictionary.unique_indexes("SALES", "ORDERS"),
    "leading columns": lambda: dictionary.leading_columns("SALES", "ORDERS"),
    "logging": dictionary.logging,
    "log groups": lambda: dictionary.log_groups("SALES", "ORDERS"),
    "session and clock": session_and_clock,
    "no row": ORDERS.none,
    "newest": lambda: ORDERS.newest("UPDATED_AT"),
    "longest": lambda: ORDERS.longest(["BODY"], 100),
    "count": lambda: ORDERS.count(*WINDOW),
    "count by day": lambda: ORDERS.count("DAY", *WINDOW[1:]),
    "segments": lambda: ORDERS.segments(TEXTS, *WINDOW, 16),
    # One column each: together they are too deep for the grammar.
    **{f"segments by {name}": partial(ORDERS.segments, {name: rule}, *WINDOW, 16) for name, rule in INEXACT.items()},
    "contents": lambda: ORDERS.contents(TEXTS, "A:B", TEXTS, *WINDOW),
    "rows": lambda: ORDERS.rows_in_window(NAMES, *WINDOW),
    "rows by key": lambda: ORDERS.rows_as_text(NAMES, ["ORDER#"], [["1"], ["2"]]),
    "contents by key": lambda: ORDERS.contents_by_key(["ORDER#", "CODE"], "BARE", TEXTS, [("1", "a"), ("2", "b")]),
    "alike": lambda: ORDERS.contents_by_key(["BARE", "NAME"], "BARE", ["NAME"], [("1.5", "a b")], alike=True),
}
# What the grammar takes, and Oracle does not.
FOREIGN = re.compile(r"::|\bLIMIT\b|\bILIKE\b|\bRETURNING\b|\bTEXT\b|\bBOOLEAN\b|\bTRUE\b|\bFALSE\b", re.IGNORECASE)


# The pieces of a LOB are many calls deep.
_GRAMMAR = FluffConfig(overrides={"dialect": "oracle", "max_parse_depth": 1200})


def parse(statement: str) -> None:
    """Raise APIParsingError for what the grammar does not take."""
    # It does not know that a length may be one in characters.
    sqlfluff.parse(statement.replace(" CHAR)", ")") + "\n", config=_GRAMMAR)


@pytest.mark.parametrize("made", STATEMENTS.values(), ids=[*STATEMENTS])
def test_oracles_grammar_takes_the_statement(made: Callable[[], sa.Select[Any]]) -> None:
    compiled = str(made().compile(dialect=oracle.dialect(), compile_kwargs={"render_postcompile": True}))
    parse(compiled)
    unquoted = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"", "", compiled)
    assert FOREIGN.findall(unquoted) == []


def test_oracles_grammar_takes_the_session() -> None:
    parse(ORACLE_SESSION)


@pytest.mark.parametrize(
    "broken",
    ["SELECT a FROM b WHERE", "SELECT a || FROM b", "SELECT CASE WHEN a > 1 THEN b FROM c", "ALTER SESSION SET"],
)
def test_the_grammar_refuses_what_is_broken(broken: str) -> None:
    with pytest.raises(APIParsingError):
        parse(broken)
