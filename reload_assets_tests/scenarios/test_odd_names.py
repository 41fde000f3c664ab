"""Tables of another schema, with names of every kind: a run of the real job, from the assets to the checks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from psycopg import sql

from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.stack import checkout_file
from reload_assets.postgres.statements import run
from reload_assets_tests.scenarios.runs import Runner, checks, failures

# By entry: schema and name in the source, and in production.
PLACES = {
    "import": (("SALES", "IMPORT"), ("production", "import")),
    "billing.refund-items#": (("BILLING", "REFUND-ITEMS#"), ("billing", "refund-items#")),
}
ASSETS = [f"{stage}/{name}" for name in ("import", "billing_refund_items_") for stage in ("staging", "production")]


def test_tables_of_another_schema_and_with_names_of_every_kind_are_reloaded(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: tuple[datetime, datetime]
) -> None:
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        create_schema(source, "BILLING")
        target.execute("CREATE SCHEMA billing")
        for (schema, name), there in PLACES.values():
            columns = [OracleColumn("ID#", "NUMBER(10)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")]
            create_table(source, schema, OracleTable(name, columns, ["ID#"]))
            at = bounds[0] + timedelta(hours=3)
            place = sql.Identifier(schema, name)
            source.execute(sql.SQL("INSERT INTO {} VALUES (1, {})").format(place, sql.Literal(at)))
            for role in ("reload_reader", "dms_source"):
                source.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(*map(sql.Identifier, (schema, role))))
                source.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(place, sql.Identifier(role)))
            target.execute(
                sql.SQL('CREATE TABLE {} ("ID#" bigint PRIMARY KEY, updated_at timestamp)').format(
                    sql.Identifier(*there)
                )
            )
            granted = {"job_role": "reload_job", "production_schema": there[0]}
            run(target, "roles/grant_production_schema", granted)
    written = checkout_file("reload.yaml").read_text(encoding="utf-8")
    # The stack's CDC task does not carry the new tables, and a reload beside it would be refused.
    written = written[: written.index("cdc:\n")] + written[written.index("windows:\n") :]
    entries = "".join(f"      '{entry}': {{window_column: updated_at}}\n" for entry in PLACES)
    result = configured(written.rstrip() + "\n" + entries).run(day.isoformat(), assets=ASSETS)
    assert failures(result) == []
    found = checks(result)
    assert found["staging/billing_refund_items_.row_count"]
    assert found["production/billing_refund_items_.confirmed"]
    assert all(found.values()), found
    for _, there in PLACES.values():
        assert runner.query(f'SELECT "ID#" FROM "{there[0]}"."{there[1]}"') == [(1,)]
