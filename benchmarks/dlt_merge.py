"""dlt's merge: the very statements that dlt composes for PostgreSQL, over a logged staging table.

Only the merge is taken: dlt's own loading of rows is another matter (see the module ``load``).
"""

from __future__ import annotations

import os
from typing import Any, Literal

COLUMNS = {
    "order_id": "bigint",
    "customer_id": "bigint",
    "status": "text",
    "amount": "decimal",
    "note": "text",
    "created_at": "timestamp",
    "updated_at": "timestamp",
}


def statements(strategy: Literal["delete-insert", "upsert"], staging_schema: str) -> list[str]:
    """dlt's statements that merge ``<staging_schema>.orders`` into ``production.orders``, for one transaction."""
    # Before the import: dlt reads it then.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    from dlt.common.schema import Schema
    from dlt.common.schema.utils import new_table
    from dlt.destinations import postgres
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials
    from dlt.destinations.sql_jobs import SqlMergeFollowupJob

    schema = Schema("bench")
    columns: Any = [
        {"name": name, "data_type": kind, "nullable": name != "order_id", "primary_key": name == "order_id"}
        for name, kind in COLUMNS.items()
    ]
    table = new_table("orders", write_disposition="merge", columns=columns)
    table["x-merge-strategy"] = strategy  # type: ignore[typeddict-unknown-key]
    schema.update_table(table)
    destination = postgres(credentials=PostgresCredentials("postgresql://u:p@localhost/d"))
    spec = destination.spec()._bind_dataset_name("production")
    spec.staging_dataset_name_layout = staging_schema
    client: Any = destination.client(schema, spec)
    return SqlMergeFollowupJob.generate_sql([client.prepare_load_table("orders")], client.sql_client)
