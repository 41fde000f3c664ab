"""Tables of several schemas and of any name, loaded, verified, merged and confirmed beside a CDC task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from reload_assets.config.model import parse_config
from reload_assets.dms.lint import lint_mapping
from reload_assets.dms.mappings import table_mappings
from reload_assets.errors.dms import MappingImpossible
from reload_assets.errors.tables import ColumnNotOmittable, ColumnsAlike, ColumnUnmatched, KeyCollation
from reload_assets.ledger.records import Reload, staging_name
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.staging import STAGING_CHECKS, verify_staging
from reload_assets_tests.integration.reload_bench import SCHEMA, WINDOW, ReloadBench, reload_bench
from reload_assets_tests.integration.standin_bench import transformation
from reload_assets_tests.integration.standin_cdc_bench import RULES
from reload_assets_tests.integration.test_tables import HEAD

Databases = Callable[[str], str]
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
    (SCHEMA, "GRÖSSE 1", "grösse 1", 'production."grösse 1"', "id", '"txt%"'),
    (SCHEMA, "A.B", '"a.b"', 'production."a.b"', '"%s:id"', '"{0} \'😀"'),
]
COLUMNS = {
    "EMP#": ("ID#", "NAME-X"),
    "KEYS": ("ID", "Id"),
    "GRÖSSE 1": ("ID", "TXT%"),
    "A.B": ("%S:ID", "{0} '😀"),
}
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
def opened(new_database: Databases, *without: str) -> Iterator[ReloadBench]:
    """Three rows per table. Production has lost the first, and its second is wrong."""
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


def test_tables_of_two_schemas_and_of_any_name_are_reloaded(new_database: Databases) -> None:
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
        assert rows(bench) == RIGHT
        # What no layer but DMS's rules looks at: the mapping is clean, and no two names in staging are one.
        names = [staging_name(table, reload.reload_id) for table in tables]
        assert len(set(names)) == len(names)
        assert max(len(name.encode()) for name in names) <= 63 - len("_again")
        loads = [bench.load.engine.table_load(table, name) for table, name in zip(tables, names, strict=True)]
        assert lint_mapping(table_mappings(loads, *WINDOW.in_zone(bench.config.source.zone))) == []


def test_without_a_source_connection_rows_are_read_again_by_the_same_names(new_database: Databases) -> None:
    # Only the source's dictionary knows columns whose names differ in case alone.
    with opened(new_database, "keys") as bench:
        bench.reader = lambda: None  # type: ignore[assignment, return-value]
        reload = bench.stage()
        bench.merge(reload)
        confirmed = bench.confirm(reload)
        assert confirmed.settled, confirmed.detail
        assert {**rows(bench), "keys": RIGHT["keys"]} == RIGHT


def test_a_name_that_no_rule_of_dms_can_have_is_refused_before_anything_is_made(new_database: Databases) -> None:
    ddl = 'CREATE TABLE production."or%ders" (id bigint PRIMARY KEY, txt varchar(20), updated_at timestamp(6))'
    tables = {"or%ders": {"window_column": "updated_at"}}
    with reload_bench(new_database, [source_table("OR%DERS")], ddl, tables) as bench:
        with pytest.raises(MappingImpossible, match=r"SALES\.OR%DERS has a wildcard"):
            bench.stage()
        assert bench.on_production("SELECT count(*) FROM admin.reloads") == [(0,)]


@contextmanager
def resolving(
    new_database: Databases, ddl: str, columns: Sequence[str | OracleColumn]
) -> Iterator[Callable[..., ReloadTable]]:
    """Resolves the table SALES.T, which has these columns in the source, with options of the configuration.

    A name alone stands for a number. The first column is the key.
    """
    with (
        psycopg.connect(new_database("source"), autocommit=True) as source,
        psycopg.connect(new_database("target"), autocommit=True) as target,
    ):
        create_schema(source, SCHEMA)
        kinds = [
            OracleColumn(column, "NUMBER(10)", nullable=False) if isinstance(column, str) else column
            for column in columns
        ]
        create_table(source, SCHEMA, OracleTable("T", [*kinds, AT], [kinds[0].name]))
        target.execute(f"CREATE SCHEMA production; CREATE TABLE production.t ({ddl}, updated_at timestamp)".encode())
        at = source.info
        url = sa.URL.create("postgresql", at.user, at.password, at.host, at.port, at.dbname)

        def resolve(*, described: bool = True, **options: Any) -> ReloadTable:
            config = parse_config(f"{HEAD}      t: {json.dumps({'window_column': 'updated_at', **options})}")
            with SourceReader(url, SCHEMA) as reader:
                (table,) = resolve_group(group_tables(config, "sales"), target, reader if described else None)
            return table

        yield resolve


def test_columns_that_differ_in_case_alone_find_their_own_or_are_refused(new_database: Databases) -> None:
    with resolving(new_database, 'id bigint PRIMARY KEY, "Id" bigint', ["ID", "Id"]) as resolve:
        assert [(one.source, one.staged, one.name) for one in resolve().columns[:2]] == [
            ("ID", "id", "id"),
            ("Id", "id_2", "Id"),
        ]
    with resolving(new_database, "id bigint PRIMARY KEY", ["ID", "Id"]) as resolve:
        with pytest.raises(ColumnsAlike, match=r"'ID' and 'Id' of SALES\.T would both be loaded into 'id'"):
            resolve()
        assert [one.source for one in resolve(ignored_source_columns=["Id"]).columns] == ["ID", "UPDATED_AT"]


@pytest.mark.parametrize(
    ("collation", "is_refused"), [(None, False), ("BINARY", False), ("BINARY_CI", True), ("GERMAN_AI", True)]
)
def test_a_key_whose_texts_the_source_holds_for_equal_is_refused(
    new_database: Databases, collation: str | None, is_refused: bool
) -> None:
    code = OracleColumn("CODE", "VARCHAR2(20)", nullable=False, collation=collation)
    with resolving(new_database, "code varchar(20) PRIMARY KEY", [code]) as resolve:
        if is_refused:
            with pytest.raises(KeyCollation, match=rf"SALES\.T\.CODE is VARCHAR2\(20\) COLLATE {collation} in the"):
                resolve()
        else:
            assert [column.name for column in resolve().key] == ["code"]


def test_a_column_that_no_rule_of_dms_leaves_out_needs_a_description_of_the_source(new_database: Databases) -> None:
    with resolving(new_database, "id bigint PRIMARY KEY", ["ID", "NOTE#"]) as resolve:
        with pytest.raises(ColumnUnmatched, match=r"has no column for SALES\.T\.NOTE#"):
            resolve()
        assert [one.name for one in resolve(ignored_source_columns=["NOTE#"]).loaded_anyway] == ["NOTE#"]
        with pytest.raises(ColumnNotOmittable, match=r"'NOTE#' of SALES\.T cannot be left out without source\.connec"):
            resolve(described=False, ignored_source_columns=["NOTE#"])
