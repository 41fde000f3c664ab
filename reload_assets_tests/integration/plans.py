"""The plans that a server really executed, by its module auto_explain, and what of them is a scan of a whole table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reload_assets.local.postgres import find_binaries

SETTINGS: Mapping[str, str] = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_verbose": "on",
    "log_line_prefix": "%a|%d|",
}
"""Settings of a server that writes each plan into its log: application|database|LOG:  duration ... plan: {...}"""


@dataclass(frozen=True)
class Plan:
    """One executed statement: its text, and the root node of its plan."""

    statement: str
    root: Mapping[str, Any]

    @property
    def title(self) -> str:
        """The first line of the statement, which for a file of ``sql/`` says what it is for."""
        return self.statement.strip().splitlines()[0]

    def scans(self, schema: str) -> list[str]:
        """The nodes that read a whole table of the schema, or one of its indexes from end to end; a line each."""
        return [
            f"{node['Node Type']} of {schema}.{table}: {self.title}"
            for node, table in _relations(self.root, schema)
            if node["Node Type"] == "Seq Scan" or ("Index" in node["Node Type"] and "Index Cond" not in node)
        ]

    def tables(self, schema: str) -> set[str]:
        """The tables of the schema that the plan reads or writes."""
        return {table for _, table in _relations(self.root, schema)}


def has_auto_explain() -> bool:
    """Whether the PostgreSQL of the tests comes with the module."""
    return any((find_binaries().resolve().parent / "lib").rglob("auto_explain.*"))


def read_plans(log: Path, start: int, application: str, database: str) -> tuple[list[Plan], int]:
    """The plans of one application's sessions in a database, from a position (bytes) of the log on; and its end."""
    with log.open("rb") as file:
        file.seek(start)
        written = file.read()
    plans = []
    # All lines of an entry but its first begin with a tab.
    for entry in re.split(r"^(?!\t)", written.decode(), flags=re.MULTILINE):
        found = re.match(rf"{re.escape(application)}\|{re.escape(database)}\|LOG:  duration: \S+ ms  plan:\n", entry)
        if found:
            parsed = json.loads(entry[found.end() :])
            plans.append(Plan(parsed["Query Text"], parsed["Plan"]))
    return plans, start + len(written)


def _relations(node: Mapping[str, Any], schema: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each node that names a table of the schema; the index scan below a bitmap scan goes with the bitmap's table."""
    if node.get("Schema") == schema:
        yield node, str(node["Relation Name"])
    for child in node.get("Plans", ()):
        if child["Node Type"] == "Bitmap Index Scan" and node.get("Schema") == schema:
            yield child, str(node["Relation Name"])
        yield from _relations(child, schema)
