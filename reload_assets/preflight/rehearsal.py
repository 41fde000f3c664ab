"""Makes the tables of a reload, uses them and takes them back: what forbids that shows before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.errors import QueryCanceled

from reload_assets.engines.staging_tables import make_table
from reload_assets.errors.preflight import StagingRefused
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable

_NAME = "reload_assets_rehearsal"


def rehearse(
    connection: Connection[Any], login: str, staging_schema: str, tables: Sequence[ReloadTable], load_role: str | None
) -> None:
    """Require that a reload can make its tables and use them. Nothing remains. Raises StagingRefused.

    The catalogs do not say what an event trigger forbids, or which rights default privileges take from an owner.
    """
    place = {"staging_schema": staging_schema, "new_table": _NAME}
    for table in tables:
        try:
            with connection.transaction(force_rollback=True):
                make_table(connection, staging_schema, _NAME, table, load_role)
                run(connection, "staging:use_table", place)
                run(connection, "staging:make_temporary", place)
        except QueryCanceled:
            raise
        except psycopg.DatabaseError as error:
            said = error.diag.message_primary or str(error)
            raise StagingRefused(login, staging_schema, table.target, said) from None
