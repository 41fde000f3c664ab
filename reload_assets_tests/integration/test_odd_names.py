"""Tables of several schemas and of any name, loaded, verified, merged and confirmed beside a CDC task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reload_assets.dms.lint import lint_mapping
from reload_assets.dms.mappings import table_mappings
from reload_assets.ledger.records import Reload, staging_name
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.verify.staging import STAGING_CHECKS, verify_staging
from reload_assets_tests.integration.reload_bench import SCHEMA, WINDOW, ReloadBench, reload_bench
from reload_assets_tests.integration.standin_bench import transformation
from reload_assets_tests.integration.standin_cdc_bench import RULES

LONG = "L" * 58
AT = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
# Each: the schema and name in the source, the entry, its production table, the columns of key and content there.
TABLES = [
    (SCHEMA, "ORDERS", "orders", "production.orders", "id", "txt"),
    ("BILLING", "ORDERS", "billing.orders", "billing.orders", "id", "txt"),
    (SCHEMA, "EMP#", "emp#", 'production."emp#"', '"ID#"', '"NAME-X"'),
    (SCHEMA, "KEYS", "keys", "production.keys", "id", '"Id"'),
    (SCHEMA, f"{LONG}_ONE", f"{LONG}_one".lower(), f"production.{LONG}_one", "id", "txt"),
    (SCHEMA, f"{LONG}_TWO", f"{LONG}_two".lower(), f"production.{LONG}_two", "id", "txt"),
    (SCHEMA, "GRÖSSE 1", "grösse 1", 'production."grösse 1"', "id", "txt"),
    (SCHEMA, "A.B", '"a.b"', 'production."a.b"', "id", "txt"),
]
COLUMNS = {"EMP#": ("ID#", "NAME-X"), "KEYS": ("ID", "Id")}
DDL = "CREATE SCHEMA billing;" + ";".join(
    f"CREATE TABLE {target} ({key} bigint PRIMARY KEY, {text} varchar(20), updated_at timestamp(6))"
    for _, _, _, target, key, text in TABLES
)
BILLING: list[dict[str, Any]] = [
    {**rule, "object-locator": {**rule["object-locator"], "schema-name": "BILLING"}, "rule-id": str(number)}
    for number, rule in enumerate(RULES, start=80)
]
BILLING[0]["value"] = "billing"
CDC_RULES = [
    {
        "rule-type": "selection",
        "rule-id": "50",
        "rule-name": "billing",
        "object-locator": {"schema-name": "BILLING", "table-name": "ORDERS"},
        "rule-action": "include",
    },
    transformation(60, "column", "rename", table="KEYS", column="Id", value="Id"),
    *BILLING,
    *RULES,
]


def source_table(name: str) -> OracleTable:
    key, text = COLUMNS.get(name, ("ID", "TXT"))
    columns = [OracleColumn(key, "NUMBER(10)", nullable=False), OracleColumn(text, "VARCHAR2(20)"), AT]
    return OracleTable(name, columns, [key])


def identifier(*names: str) -> str:
    return ".".join(f'"{name}"' for name in names)


@contextmanager
def opened(new_database: Callable[[str], str], *without: str) -> Iterator[ReloadBench]:
    """Three rows a table, of which production has lost the first and holds the second otherwise."""
    with reload_bench(
        new_database,
        [source_table(name) for schema, name, *_ in TABLES if schema == SCHEMA],
        DDL,
        {entry: {"window_column": "updated_at"} for _, _, entry, *_ in TABLES if entry not in without},
        rules=CDC_RULES,
        other_schemas={"BILLING": [source_table("ORDERS")]},
    ) as bench:
        for schema, name, *_ in TABLES:
            bench.on_source(
                f"INSERT INTO {identifier(schema, name)} "
                f"SELECT n, 'of {schema}', timestamp '2025-01-03' + n * interval '1 hour' FROM generate_series(1, 3) n"
            )
        bench.drain()
        for *_, target, key, text in TABLES:
            bench.on_production(f"DELETE FROM {target} WHERE {key} = 1")
            bench.on_production(f"UPDATE {target} SET {text} = 'wrong' WHERE {key} = 2")
        yield bench


def verdicts(bench: ReloadBench, reload: Reload) -> dict[str, str]:
    """What each staging check says that does not pass."""
    found = {}
    for table in bench.resolved(reload):
        with bench.reader() as reader:
            outcomes = verify_staging(
                bench.load.target,
                bench.config.source.zone,
                reload,
                table,
                bench.ledger.tables(reload.reload_id)[table.name],
                lob_limit_kb=1024,
                source_configured=True,
                checks=STAGING_CHECKS,
                reader=reader,
            )
        found.update({f"{table.name}.{one.check_name}": one.detail for one in outcomes if one.status != "passed"})
    return found


def rows(bench: ReloadBench) -> dict[str, list[tuple[Any, ...]]]:
    return {
        entry: bench.on_production(f"SELECT {key}, {text} FROM {target} ORDER BY 1")
        for _, _, entry, target, key, text in TABLES
    }


RIGHT = {entry: [(number, f"of {schema}") for number in (1, 2, 3)] for schema, _, entry, *_ in TABLES}


def test_tables_of_two_schemas_and_of_any_name_are_reloaded(new_database: Callable[[str], str]) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        assert verdicts(bench, reload) == {}
        tables = bench.resolved(reload)
        staged = {table.name: [column.staged for column in table.columns] for table in tables}
        assert staged["emp#"] == ["ID#", "NAME-X", "updated_at"]
        assert staged["keys"] == ["id", "id_2", "updated_at"]
        bench.merge(reload)
        assert rows(bench) == RIGHT
        confirmed = bench.confirm(reload)
        assert confirmed.settled, confirmed.detail
        # What no layer but DMS's rules looks at: the mapping is clean, and no two names in staging are one.
        names = [staging_name(table, reload.reload_id) for table in tables]
        assert len(set(names)) == len(names)
        assert max(len(name.encode()) for name in names) <= 63 - len("_again")
        loads = [bench.load.engine.table_load(table, name) for table, name in zip(tables, names, strict=True)]
        assert lint_mapping(table_mappings(loads, *WINDOW.in_zone(bench.config.source.zone))) == []


def test_without_a_source_connection_rows_are_read_again_by_the_same_names(new_database: Callable[[str], str]) -> None:
    # Only the source's dictionary knows columns whose names differ in case alone.
    with opened(new_database, "keys") as bench:
        bench.reader = lambda: None  # type: ignore[assignment, return-value]
        reload = bench.stage()
        bench.merge(reload)
        confirmed = bench.confirm(reload)
        assert confirmed.settled, confirmed.detail
        assert {**rows(bench), "keys": RIGHT["keys"]} == RIGHT
