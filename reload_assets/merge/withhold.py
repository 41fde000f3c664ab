"""Leaves rows that the source changed since the load to CDC. They are found by reading the delta's keys again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from psycopg import Connection

from reload_assets.merge.statements import MergeStatements
from reload_assets.postgres.session import analyze, drop_table
from reload_assets.postgres.statements import compose
from reload_assets.tables import ReloadTable


class Reread(Protocol):
    """Reads rows of the source again while a merge runs. The merge's caller provides it and knows the source."""

    batch: int
    """The maximum number of keys per look-up."""

    def fill(
        self, connection: Connection[Any], table: ReloadTable, rows: str, batches: Iterator[Sequence[tuple[Any, ...]]]
    ) -> None:
        """Put the source's rows with these keys into a temporary table, in the merge's transaction.

        A key is the canonical text of its columns. ``rows`` is the temporary table. It has staging's columns under
        their numbers, and ``unfit``: the reason if production's types cannot hold a row, which then has only its key.
        """


def withhold_rows(
    connection: Connection[Any], statements: MergeStatements, reread: Reread, outcomes: Sequence[str]
) -> None:
    """Refuse the delta's rows with these outcomes that the source no longer has as they were loaded.

    CDC and confirm take care of them. Raises what reading the source raises.
    """
    statements.run(connection, "2_judge:create_reread")
    keys = compose("merge/2_judge:list_keys", statements.pieces)
    with connection.cursor(name=f"{statements.reread}_keys") as cursor:
        cursor.execute(keys, {"outcomes": outcomes})
        batches = iter(lambda: cursor.fetchmany(reread.batch), [])
        reread.fill(connection, statements.table, statements.reread, batches)
    analyze(connection, None, statements.reread)
    statements.run(connection, "2_judge:withhold_rows", outcomes=outcomes)
    drop_table(connection, None, statements.reread)
