"""The finder of what CDC skipped, on a real CDC task: each statement once, by its keys where it names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import SensorEvaluationContext, SkipReason, build_sensor_context
from dagster._core.errors import DagsterUserCodeProcessError

from reload_assets.cadence import windows_from
from reload_assets.code_location import build_code_location
from reload_assets.config.model import load_config
from reload_assets.errors.dms import DmsUnanswered
from reload_assets.finders import skipped as skipped_statements
from reload_assets.finders import skipped_finder
from reload_assets.finders.finding import Finding
from reload_assets.finders.skipped_finder import SkippedTick
from reload_assets.ledger.selected import canonical_keys
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.partitions import cadence_partitions
from reload_assets.reload.services import Services
from reload_assets.windows import Window
from reload_assets_tests.integration.reload_bench import CONTROL, ReloadBench, reload_bench
from reload_assets_tests.integration.test_request_ends import reloaded

_ID, _AT = OracleColumn("ID", "NUMBER(10)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
SOURCE = [
    OracleTable("CUSTOMERS", [_ID, OracleColumn("NAME", "VARCHAR2(40)"), _AT], ["ID"]),
    OracleTable("LINES", [_ID, OracleColumn("LINE_NO", "NUMBER(10)", nullable=False), _AT], ["ID", "LINE_NO"]),
    OracleTable("OTHER", [_ID], ["ID"]),
]
DDL = """
CREATE TABLE production.customers (id integer PRIMARY KEY, name varchar(40), updated_at timestamp(6));
CREATE TABLE production.lines (id integer, line_no integer, updated_at timestamp(6), PRIMARY KEY (id, line_no));
CREATE TABLE production.other (id integer PRIMARY KEY);
"""
UPDATED_AT = {"window_column": "updated_at"}
CONTROLLED = {"ControlTablesSettings": {"ControlSchema": CONTROL, "StatusTableEnabled": True}}
MINUTE = timedelta(minutes=1)


@contextmanager
def opened(new_database: Callable[[str], str], **options: Any) -> Iterator[ReloadBench]:
    tables = {"customers": UPDATED_AT, "lines": UPDATED_AT}
    with reload_bench(new_database, SOURCE, DDL, tables, **options) as bench:
        yield bench


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[ReloadBench], Path]:
    """Write a bench's configuration with real addresses, as a daemon reads it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

    def write(bench: ReloadBench) -> Path:
        monkeypatch.setenv("P", str(bench.server.password))
        document = bench.config.model_dump(mode="json", exclude_unset=True, by_alias=True)
        server = bench.server
        login = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
        document["target"]["connection"] = {**login, "password": {"env": "P"}}
        document["dms"]["endpoint_url"] = bench.dms.url
        document["windows"]["first"] = "2025-01-01"
        file = tmp_path / "reload.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return file

    return write


def services_of(file: Path) -> Services:
    return Services(load_config(file), str, str)


def tick(file: Path, cursor: str | None = None) -> SkippedTick:
    """One tick of the finder."""
    services = services_of(file)
    partitions = cadence_partitions(services.config.windows, "reload.yaml")
    return services.skipped_finder(partial(windows_from, partitions), 5).tick(cursor)


def sensed(file: Path) -> Callable[[str | None], tuple[str, str | None]]:
    """One tick of the sensor: from a cursor, what it says and the next cursor."""
    repository = build_code_location(load_config(file)).definitions
    resources = {"reload": (repository.resources or {})["reload"]}
    sensor = repository.resolve_sensor_def("find_skipped")

    def said(cursor: str | None) -> tuple[str, str | None]:
        with build_sensor_context(cursor=cursor, resources=resources) as context:
            result = sensor(context)
            assert isinstance(result, SkipReason)
            assert isinstance(context, SensorEvaluationContext)
            return result.skip_message or "", context.cursor

    return said


def requests(bench: ReloadBench) -> list[tuple[Any, ...]]:
    return bench.on_production(
        "SELECT keys, whole_windows, tables, status FROM admin.reload_requests ORDER BY request_id"
    )


def skip(
    bench: ReloadBench, statement: str, at: datetime, table: str = "customers", error: str = "0 rows affected"
) -> None:
    """DMS writes down that it skipped a statement."""
    bench.target.execute(
        f"INSERT INTO {CONTROL}.awsdms_apply_exceptions VALUES (%s, %s, %s, %s, %s, %s)".encode(),
        (bench.task.resource, "production", table, at.replace(tzinfo=None), statement, error),
    )


def test_what_cdc_skipped_is_asked_for_once(
    new_database: Callable[[str], str], configured: Callable[[ReloadBench], Path]
) -> None:
    with opened(new_database) as bench:
        file = configured(bench)
        bench.on_source("""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'one', now()), (2, 'two', now())""")
        bench.drain()
        bench.on_production("DELETE FROM production.customers WHERE id = 1")
        bench.on_production("INSERT INTO production.customers VALUES (5); INSERT INTO production.lines VALUES (7, 1)")
        bench.on_production("INSERT INTO production.other VALUES (3)")
        bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = 'secret' WHERE "ID" = 1""")
        bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "ID" = 5 WHERE "ID" = 2""")
        bench.on_source("""INSERT INTO "SALES"."LINES" VALUES (7, 1, now())""")
        bench.on_source("""INSERT INTO "SALES"."OTHER" VALUES (3)""")
        bench.drain()
        assert bench.on_production(f"SELECT count(*) FROM {CONTROL}.awsdms_apply_exceptions") == [(4,)]
        noon = datetime(2025, 3, 5, 12, tzinfo=timezone.utc)
        skip(bench, """UPDATE "production"."customers" SET "name"=? WHERE "id"=?""", noon)
        skip(bench, """DELETE FROM "production"."lines" WHERE "id"='8'""", noon, "lines")
        skip(bench, """UPDATE "production"."customers" SET "id"='9', "name"='cut of""", noon)

        said = sensed(file)
        first, cursor = said(None)
        assert first == "New findings: 6; requested: request 1, 2, 3."
        day = "window_start = '2025-03-05Z' AND window_end = '2025-03-06Z'"
        assert bench.on_production(
            f"SELECT keys, whole_windows, tables, {day}, found_by FROM admin.reload_requests ORDER BY keys::text"
        ) == [
            ({"customers": ["9"]}, True, None, None, "skipped"),
            ({"customers": ["1", "2", "5"], "lines": [["7", "1"]]}, False, None, None, "skipped"),
            (None, False, ["customers", "lines"], True, "skipped"),
        ]
        # No values of rows, other than keys.
        found = bench.on_production("SELECT keys::text, evidence::text, seen_at FROM admin.findings")
        assert all("secret" not in evidence for _, evidence, _ in found)
        kinds = bench.on_production("SELECT evidence->>'kind', evidence->>'sqlstate' FROM admin.findings ORDER BY 1, 2")
        assert kinds == [
            ("DELETE", None),
            ("INSERT", "23505"),
            ("UPDATE", "23505"),
            ("UPDATE", None),
            ("UPDATE", None),
            ("UPDATE", None),
        ]
        # A restarted daemon, and one whose cursor was lost.
        assert said(cursor)[0] == said(None)[0] == "CDC has skipped nothing new."

        bench.on_production(f"DROP TABLE {CONTROL}.awsdms_apply_exceptions")
        with pytest.raises(DagsterUserCodeProcessError, match=r"control-table-missing\] \[finder-incomplete"):
            said(cursor)


def test_a_key_that_production_cannot_have_keeps_no_other_from_its_reload(
    new_database: Callable[[str], str], configured: Callable[[ReloadBench], Path]
) -> None:
    code = OracleColumn("CODE", "RAW(2)", nullable=False)
    source = [*SOURCE[:2], OracleTable("CODES", [code, _AT], ["CODE"])]
    ddl = f"{DDL}; CREATE TABLE production.codes (code bytea PRIMARY KEY, updated_at timestamp(6))"
    tables = dict.fromkeys(("customers", "lines", "codes"), UPDATED_AT)
    with reload_bench(new_database, source, ddl, tables) as bench:
        file = configured(bench)
        noon = datetime(2025, 3, 5, 12, tzinfo=timezone.utc)
        insert = """INSERT INTO "production"."{}" ("{}") VALUES ('{}')"""
        # A source's NUMBER(10) holds more than an integer of production.
        skip(bench, insert.format("customers", "id", "9999999999"), noon, error="SqlState: 22003")
        skip(bench, insert.format("customers", "id", "7"), noon)
        moved = """UPDATE "production"."customers" SET "id"='9999999999' WHERE "id"='8'"""
        skip(bench, moved, noon, error="SqlState: 22003")
        skip(bench, insert.format("codes", "code", "\\x00ff"), noon, "codes")
        skip(bench, insert.format("codes", "code", "\\x00f"), noon, "codes")
        tick(file)
        asked = {row[0] is None: row for row in requests(bench)}
        assert asked[True] == (None, False, ["customers", "codes"], "pending")
        assert asked[False] == ({"customers": ["7", "8"], "codes": ["00ff"]}, False, None, "pending")
        notes = bench.on_production("SELECT keys, evidence->>'note' FROM admin.findings WHERE evidence ? 'note'")
        assert len(notes) == 3
        assert {note.split(" (")[0] for keys, note in notes if keys is None} == {"No key of the statement fits the key"}
        with services_of(file).target.connect() as connection:
            resolved = {table.name: table for table in bench.tables()}
            for name, keys in asked[False][0].items():
                assert canonical_keys(connection, resolved[name], [(key,) for key in keys]) == [(key,) for key in keys]


def test_a_statement_without_a_key_costs_no_more_when_it_is_old(
    new_database: Callable[[str], str], configured: Callable[[ReloadBench], Path]
) -> None:
    with opened(new_database) as bench:
        file = configured(bench)
        skip(bench, "?", datetime.now(timezone.utc) - timedelta(days=300))
        services = services_of(file)
        partitions = cadence_partitions(services.config.windows, "reload.yaml")
        made = []

        def counted(start: datetime, end: datetime) -> Iterator[Window]:
            for window in windows_from(partitions, start, end):
                made.append(window)
                yield window

        (asked,) = services.skipped_finder(counted, 5).tick(None).asked
        assert (asked.new_findings, len(made)) == (1, 1)


def test_all_statements_are_read_while_the_tables_cannot_be_looked_at(
    new_database: Callable[[str], str],
    configured: Callable[[ReloadBench], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unanswered(*asked: Any) -> Iterator[Finding]:
        raise DmsUnanswered("DMS", "did not answer", 2)

    monkeypatch.setattr(skipped_finder, "find_suspended", unanswered)
    monkeypatch.setattr(skipped_statements, "_PAGE", 2)
    with opened(new_database) as bench:
        file = configured(bench)
        noon = datetime(2025, 3, 5, 12, tzinfo=timezone.utc)
        for number in range(5):
            skip(bench, f"""DELETE FROM "production"."customers" WHERE "id"='{number}'""", noon + number * MINUTE)
        said = sensed(file)
        first, cursor = said(None)
        assert first.startswith("New findings: 2; requested: request 1. The finder skipped could not look at ever")
        second, cursor = said(cursor)
        assert second.startswith("New findings: 2; requested: request 2. The finder skipped")
        with pytest.raises(DagsterUserCodeProcessError, match=r"\[dms-unanswered\] \[finder-incomplete"):
            said(cursor)
        assert [keys for keys, *_ in requests(bench)] == [
            {"customers": ["0", "1"]},
            {"customers": ["2", "3"]},
            {"customers": ["4"]},
        ]


@pytest.mark.parametrize("most", [1, 5_000])
def test_a_statement_that_is_written_down_late_is_read(
    new_database: Callable[[str], str],
    configured: Callable[[ReloadBench], Path],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    monkeypatch.setattr(skipped_statements, "_PAGE", most)
    delete = """DELETE FROM "production"."customers" WHERE "id"='{}'"""
    with opened(new_database) as bench:
        file = configured(bench)
        now = datetime.now(timezone.utc)
        skip(bench, delete.format(1), now)
        first = tick(file)
        skip(bench, delete.format(2), now - MINUTE / 2)
        # By a clock that was wrong for a moment.
        skip(bench, delete.format(3), now + 500 * MINUTE)
        second = tick(file, first.cursor)
        skip(bench, delete.format(4), datetime.now(timezone.utc))
        monkeypatch.setattr(skipped_statements, "_PAGE", 5_000)
        tick(file, second.cursor)
        found = bench.on_production("SELECT keys->0->>0 FROM admin.findings ORDER BY 1")
        assert found == [("1",), ("2",), ("3",), ("4",)]


def test_a_statement_is_about_the_table_whose_name_it_spells(
    new_database: Callable[[str], str], configured: Callable[[ReloadBench], Path]
) -> None:
    with opened(new_database) as bench:
        file = configured(bench)
        bench.on_production("""CREATE TABLE production."Customers" ("Id" integer PRIMARY KEY)""")
        bench.on_production("CREATE SCHEMA archive; CREATE TABLE archive.lines (nr integer PRIMARY KEY)")
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        tables = document["groups"]["sales"]["tables"]
        tables["odd"] = {**UPDATED_AT, "source": "SALES.ODD", "target": "production.Customers"}
        # Its source has the name of another one's target.
        tables["old"] = {**UPDATED_AT, "source": "PRODUCTION.LINES", "target": "archive.lines"}
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        noon = datetime(2025, 3, 5, 12, tzinfo=timezone.utc)
        skip(bench, """DELETE FROM "production"."customers" WHERE "id"='1'""", noon)
        skip(bench, """DELETE FROM "production"."Customers" WHERE "Id"='2'""", noon, "Customers")
        skip(bench, """DELETE FROM "production"."lines" WHERE "id"='3' AND "line_no"='4'""", noon, "lines")
        tick(file)
        assert requests(bench) == [
            ({"customers": ["1"], "odd": ["2"], "lines": [["3", "4"]]}, False, None, "pending"),
        ]


def test_what_a_reload_takes_into_account_is_not_asked_for(
    new_database: Callable[[str], str], configured: Callable[[ReloadBench], Path]
) -> None:
    with opened(new_database) as bench:
        file = configured(bench)
        start = datetime.now(timezone.utc) - timedelta(hours=5)
        insert = """INSERT INTO "production"."customers" ("id") VALUES ('{}')"""
        refused = "RetCode: SQL_ERROR SqlState: 23505 NativeError: 1 Message: FEHLER"

        def reload(status: str, minutes: int, **more: Any) -> None:
            """A reload that writes from ``minutes`` on, for half an hour."""
            began = start + minutes * MINUTE
            reloaded(
                bench.server,
                **more,
                confirm_status=f"'{status}'",
                opened_at=f"'{began - MINUTE}'",
                tables="'{customers}'",
                merge_started_at=f"'{began}'",
                confirm_ended_at="NULL" if status == "pending" else f"'{began + 30 * MINUTE}'",
            )

        reload("confirmed", 0)
        skip(bench, insert.format(1), start + MINUTE, error=refused)
        # Before it wrote; a statement that a row of it cannot have caused; when it may have read the list last.
        skip(bench, insert.format(2), start - 2 * MINUTE, error=refused)
        skip(bench, insert.format(3), start + MINUTE, error="SqlState: 22001")
        skip(bench, insert.format(4), start + 30 * MINUTE - timedelta(seconds=1), error=refused)
        reload("unconfirmed", 60)
        skip(bench, insert.format(5), start + 61 * MINUTE, error=refused)
        reload("pending", 120)
        skip(bench, insert.format(6), start + 121 * MINUTE, error=refused)
        # A repair of columns, which cannot do what was skipped.
        reload("confirmed", 31, columns="""'{"customers": ["name"]}'""")
        skip(bench, insert.format(55), start + 32 * MINUTE, error=refused)
        # Keys that were reloaded later.
        reload("confirmed", 240, keys={"customers": [["7"], ["8"]]})
        skip(bench, """UPDATE "production"."customers" SET "id"='8' WHERE "id"='7'""", start + 122 * MINUTE)
        skip(bench, """UPDATE "production"."customers" SET "id"='9' WHERE "id"='7'""", start + 123 * MINUTE)
        first = tick(file)
        assert requests(bench) == [({"customers": ["2", "3", "4", "55", "5", "7", "9"]}, False, None, "pending")]
        # The reload under way has ended, and nobody knows what it has done about the statement.
        bench.on_production("UPDATE admin.reloads SET confirm_status = 'unconfirmed' WHERE confirm_status = 'pending'")
        second = tick(file, first.cursor)
        assert requests(bench)[1:] == [({"customers": ["6"]}, False, None, "pending")]
        (read,) = json.loads(second.cursor).values()
        assert datetime.fromisoformat(read) > start + 121 * MINUTE

        # A flood is read page by page, even if all of a page was skipped at one instant.
        flooded = start + 200 * MINUTE
        bench.target.execute(
            f"""INSERT INTO {CONTROL}.awsdms_apply_exceptions SELECT %s, 'production', 'lines', %s::timestamp
            + CASE WHEN n > 5001 THEN '1 s' ELSE '0' END::interval,
            'DELETE FROM "production"."lines" WHERE "id"=' || n || ' AND "line_no"=1', '0 rows affected'
            FROM generate_series(1, 5003) AS n""".encode(),
            (bench.task.resource, flooded.replace(tzinfo=None)),
        )
        third = tick(file, second.cursor)
        fourth = tick(file, third.cursor)
        assert [asked.new_findings for one in (third, fourth) for asked in one.asked] == [5001, 2]
        assert [status for *_, status in requests(bench)] == ["pending", "pending", "held", "pending"]


def test_a_table_that_cdc_has_suspended_is_asked_for_and_waits_until_it_is_carried(
    new_database: Callable[[str], str], configured: Callable[[ReloadBench], Path]
) -> None:
    suspend = {"ErrorBehavior": {"ApplyErrorUpdatePolicy": "SUSPEND_TABLE"}}
    with opened(new_database, settings=suspend) as bench:
        file = configured(bench)
        services = services_of(file)
        bench.on_source("""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'one', now())""")
        bench.drain()
        bench.on_production("DELETE FROM production.customers WHERE id = 1")
        bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = 'x' WHERE "ID" = 1""")
        bench.drain()
        for _ in range(2):
            tick(file)
        window = "window_start = date_trunc('day', window_end, 'UTC') AND window_end > now() - interval '1 minute'"
        held = bench.on_production(
            f"SELECT keys, tables, {window}, status, held_because FROM admin.reload_requests ORDER BY request_id"
        )
        assert [row[:-1] for row in held] == [
            ({"customers": ["1"]}, None, None, "held"),
            (None, ["customers"], True, "held"),
        ]
        assert "does not carry the changes of SALES.CUSTOMERS (Table error)" in held[1][-1]
        assert "[cdc-table-suspended]" in held[1][-1]
        assert held[1][-1].endswith("[held-for-cdc]")
        services.settle_requests(5)
        assert [row[-1] for row in requests(bench)] == ["held", "held"]
        # Its owner replaces the task by another one, which carries the table again.
        bench.task.stop()
        document = bench.account.task(bench.arn)
        again = bench.account.create(document["TableMappings"], {**CONTROLLED, **suspend}, MigrationType="cdc")
        try:
            bench.account.start(again)
            bench.account.wait(again, "running")
            bench.drain()
            written = file.read_text(encoding="utf-8").replace(bench.arn, again)
            file.write_text(written, encoding="utf-8")
            for _ in range(2):
                tick(file)
            services_of(file).settle_requests(5)
        finally:
            bench.account.client.stop_replication_task(ReplicationTaskArn=again)
            bench.account.wait(again, "stopped")
            bench.account.client.delete_replication_task(ReplicationTaskArn=again)
        assert [row[-1] for row in requests(bench)] == ["pending"] * 3
        assert bench.on_production(
            "SELECT a.window_end = b.window_start, b.evidence->>'kind' FROM admin.findings AS a, admin.findings AS b "
            "WHERE a.evidence->>'kind' = 'table_suspended' AND b.window_start IS NOT NULL "
            "AND b.finding_id > a.finding_id"
        ) == [(True, "table_carried")]
