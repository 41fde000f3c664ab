"""What ``reload-assets doctor`` sees of sessions, locks, sizes, zones, clocks and LOBs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import Connection

from reload_assets.errors.source import SourceDenied
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.postgres.statements import run
from reload_assets.preflight.finding import Finding
from reload_assets.preflight.load import look_at_lobs
from reload_assets.preflight.remarks import remarks
from reload_assets.preflight.rights import find_rights_of_cdc
from reload_assets.preflight.target import few_locks, look_at_locks, look_at_sessions, look_at_sizes, look_at_zones
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets_tests.integration.staged import config

COLUMNS = [
    OracleColumn("ID", "NUMBER(9)", nullable=False),
    OracleColumn("AT", "TIMESTAMP(6)"),
    OracleColumn("DOC", "CLOB"),
    OracleColumn("XML", "CLOB"),
    OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
]
PRODUCTION = """CREATE TABLE production.things (
    id integer NOT NULL, at timestamptz, doc text, xml text, updated_at timestamp NOT NULL, PRIMARY KEY (id, updated_at)
) PARTITION BY RANGE (updated_at);
CREATE TABLE production.january PARTITION OF production.things FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE production.february PARTITION OF production.things FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE INDEX ON production.things (updated_at)"""
WRITTEN = 'things: {key: [id, updated_at], window_column: updated_at, accept: {at: "time zone"}}'


@dataclass
class Sides:
    """The table things on both sides."""

    source: Connection[Any]
    source_url: str
    target: Connection[Any]
    target_url: str
    reader: SourceReader
    table: ReloadTable

    @property
    def tables(self) -> Sequence[ReloadTable]:
        """All of them."""
        return [self.table]


@pytest.fixture(scope="module")
def sides(databases: tuple[str, str]) -> Iterator[Sides]:
    source_url, target_url = databases
    with (
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
        SourceReader(sa.make_url(source_url), "SALES") as reader,
    ):
        create_schema(source, "SALES")
        create_table(source, "SALES", OracleTable("THINGS", COLUMNS, ["ID", "UPDATED_AT"]))
        # The stand-in has no such type, but what the dictionary says of a column is in its comment.
        source.execute("""COMMENT ON COLUMN "SALES"."THINGS"."XML" IS 'XMLTYPE'""")
        source.execute('CREATE INDEX ON "SALES"."THINGS" ("UPDATED_AT")')
        target.execute("CREATE SCHEMA production")
        target.execute(PRODUCTION)
        (table,) = resolve_group(group_tables(config(WRITTEN), "sales"), target, reader)
        yield Sides(source, source_url, target, target_url, reader, table)


def codes(findings: Iterator[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_long_transaction_is_named_with_what_it_locks_and_how_to_end_it(sides: Sides) -> None:
    assert codes(look_at_sessions(sides.target, "reload", sides.tables)) == []
    with psycopg.connect(sides.target_url, application_name="etl") as writer:
        writer.execute("INSERT INTO production.things VALUES (1, NULL, NULL, NULL, '2025-01-02')")
        (said,) = look_at_sessions(sides.target, "reload", sides.tables, longest=0)
        assert (said.code, said.severity) == ("transaction-long", "warn")
        assert "(etl, idle in transaction) has had its transaction open for 0 minutes, and has locked" in said.text
        assert "production.january, production.things" in said.text
        assert said.fix == f"let it end, or end it: SELECT pg_terminate_backend({writer.info.backend_pid})"
        writer.rollback()


def test_the_locks_of_a_merge_are_weighed_against_those_that_there_are(sides: Sides) -> None:
    ((relations, locks),) = run(
        sides.target, "preflight:get_locks", schemas=["production"], names=["things"]
    ).fetchall()
    # Three tables, each with two indexes.
    assert relations == 9
    assert locks == 64 * int(sides.target.execute("SHOW max_connections").fetchall()[0][0])
    assert codes(look_at_locks(sides.target, "sales", sides.tables)) == []
    few = few_locks("sales", 51, 100)
    assert few is not None
    assert (few.code, few.fix.partition(",")[0]) == ("lock-table-small", "raise max_locks_per_transaction")
    assert few_locks("sales", 50, 100) is None


def test_the_sizes_of_partitions_count(sides: Sides) -> None:
    sides.target.execute(
        "INSERT INTO production.things SELECT n, NULL, repeat('x', 100), NULL, '2025-01-02' "
        "FROM generate_series(1, 10000) AS n"
    )
    (said,) = look_at_sizes(sides.target, sides.tables)
    assert said.text.startswith("target: production takes 2 MB; PostgreSQL cannot tell the free space")


def test_the_zone_and_the_rights_of_dms_login_are_named_with_what_changes_them(sides: Sides) -> None:
    sides.target.execute("CREATE ROLE looked_at")
    try:
        assert codes(look_at_zones(sides.target, "looked_at", "UTC", sides.tables)) == []
        sides.target.execute("ALTER ROLE looked_at SET TimeZone = 'America/Lima'")
        (zone,) = look_at_zones(sides.target, "looked_at", "UTC", sides.tables)
        assert (zone.code, zone.place) == ("zone-of-login", "production.things")
        assert zone.fix == """ALTER ROLE "looked_at" SET TimeZone = 'UTC'"""
        assert codes(look_at_zones(sides.target, "looked_at", "America/Lima", sides.tables)) == []
        sides.target.execute(
            "GRANT USAGE ON SCHEMA production TO looked_at; GRANT SELECT ON production.things TO looked_at"
        )
        (rights,) = find_rights_of_cdc(sides.target, "looked_at", sides.tables)
        assert rights.fix == "run: GRANT INSERT, UPDATE, DELETE ON TABLE production.things TO looked_at"
    finally:
        sides.target.execute("DROP OWNED BY looked_at; DROP ROLE looked_at")


def test_lobs_are_measured_where_the_source_tells_their_length(sides: Sides) -> None:
    sides.source.execute("""INSERT INTO "SALES"."THINGS" VALUES (1, NULL, repeat('x', 2000), NULL, '2025-01-02')""")
    unmeasured, longest = look_at_lobs(sides.reader, sides.table, 2)
    assert (unmeasured.code, longest.code) == ("lob-unmeasured", "lobs-fit")
    assert "could not look at the lengths of XML (XMLTYPE)" in unmeasured.text
    assert "DOC 2,000 characters" in longest.text
    _, cut = look_at_lobs(sides.reader, sides.table, 1)
    assert (cut.code, cut.severity) == ("lob-over-limit", "problem")
    assert cut.fix.startswith("set dms.task.lob_limit_kb to more than 1,")


def test_a_table_whose_rows_this_user_may_not_read_is_named_with_the_grant(sides: Sides) -> None:
    sides.source.execute("CREATE ROLE looker LOGIN PASSWORD 'looks'")
    sides.source.execute('GRANT USAGE ON SCHEMA "SALES" TO looker; GRANT SELECT ON "SALES"."THINGS" TO looker')
    url = sa.make_url(sides.source_url).set(username="looker", password="looks")
    try:
        with SourceReader(url, "SALES") as reader:
            reader.columns("THINGS")
            reader.require_select("THINGS")
            # Oracle's dictionary would go on to show a table on which a user has another right.
            sides.source.execute('REVOKE SELECT ON "SALES"."THINGS" FROM looker')
            with pytest.raises(SourceDenied, match='run GRANT SELECT ON "SALES"."THINGS" TO looker'):
                reader.require_select("THINGS")
    finally:
        sides.source.execute("DROP OWNED BY looker; DROP ROLE looker")


def test_rows_ahead_of_the_clock_are_a_warning(sides: Sides) -> None:
    assert "rows-ahead" not in codes(remarks(sides.target, sides.reader, sides.table, {}))
    sides.source.execute("""INSERT INTO "SALES"."THINGS" VALUES (2, NULL, NULL, NULL, now() + interval '2 hours')""")
    found = {one.code: one for one in remarks(sides.target, sides.reader, sides.table, {})}
    assert "fix source.time_zone" in found["rows-ahead"].fix
    # The key holds the window column, and time of another zone is read as that of source.time_zone.
    assert {"key-moves", "rows-ahead"} <= set(found)
