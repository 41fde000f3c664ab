"""A table of another schema, with a name that Dagster does not take: a run of the real job, up to the last check."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from psycopg import sql

from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.stack import checkout_file
from reload_assets.postgres.statements import run
from reload_assets.verify.production import AFTER_CHECKS
from reload_assets.verify.staging import STAGING_CHECKS
from reload_assets_tests.scenarios.runs import Runner, checks, failures

ENTRY = "billing.refund-items#"
SOURCE, PRODUCTION = ("BILLING", "REFUND-ITEMS#"), ("billing", "refund-items#")
LABEL = "billing_refund_items_"


def test_a_table_of_another_schema_and_an_odd_name_is_reloaded(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: tuple[datetime, datetime]
) -> None:
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        create_schema(source, SOURCE[0])
        columns = [
            # Production has neither this one nor the document, and DMS leaves out no column of such a name.
            OracleColumn("NOTE-X", "VARCHAR2(20)"),
            OracleColumn("ID#", "NUMBER(10)", nullable=False),
            OracleColumn("SCAN/1", "BLOB"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ]
        create_table(source, SOURCE[0], OracleTable(SOURCE[1], columns, ["ID#"]))
        at = sql.Literal(bounds[0] + timedelta(hours=3))
        source.execute(sql.SQL("INSERT INTO {} VALUES ('n', 1, 'x', {})").format(sql.Identifier(*SOURCE), at))
        for role in ("reload_reader", "dms_source"):
            source.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(*map(sql.Identifier, (SOURCE[0], role))))
            source.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(*SOURCE), sql.Identifier(role)))
        target.execute("CREATE SCHEMA billing")
        place = sql.Identifier(*PRODUCTION)
        target.execute(sql.SQL('CREATE TABLE {} ("ID#" bigint PRIMARY KEY, updated_at timestamp)').format(place))
        granted = {"job_role": "reload_job", "production_schema": PRODUCTION[0]}
        run(target, "roles/grant_production_schema", granted)
    written = checkout_file("reload.yaml").read_text(encoding="utf-8")
    # The stack's CDC task does not carry the new table, and a reload beside it would be refused.
    written = written[: written.index("cdc:\n")] + written[written.index("windows:\n") :]
    entry = f"'{ENTRY}': {{window_column: updated_at, ignored_source_columns: [NOTE-X, SCAN/1]}}"
    extended = configured(f"{written.rstrip()}\n      {entry}\n")
    result = extended.run(day.isoformat(), assets=[f"staging/{LABEL}", f"production/{LABEL}"])
    assert failures(result) == []
    found = checks(result)
    assert len(found) == len(STAGING_CHECKS) + len(AFTER_CHECKS)
    assert all(found.values()), found
    assert runner.query(f'SELECT "ID#" FROM "{PRODUCTION[0]}"."{PRODUCTION[1]}"') == [(1,)]
