"""A repair of columns: only these become the source's, and everything else of production stays as it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest

from reload_assets.cdc.position import Skipped
from reload_assets.errors.merge import ParentMissing
from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.records import Reload
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.limited import limited_tables
from reload_assets.reload.parts import group_tables
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.production import verify_merged
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import EARLIER, GROUP, LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

Make = Callable[..., ConfirmBench]
Row = tuple[Any, ...]
DDL = """
CREATE TABLE production.t (
    id bigint PRIMARY KEY, name text, note text, amount numeric(10, 2), updated_at timestamp(6)
)
"""
SOURCE = OracleTable(
    "T",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("NOTE", "VARCHAR2(40)"),
        OracleColumn("AMOUNT", "NUMBER(10,2)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
NOTE = {"t": ["note"]}
MARK = "ALTER TABLE production.t ADD gone boolean"


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "limited") as target, throwaway_database(postgres, "limited") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(more: str = "", **options: Any) -> ConfirmBench:
        entered = confirm_bench(*databases, DDL + ";" + more, [SOURCE], {"t": {**UPDATED_AT, **options}})
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def source_has(bench: ConfirmBench, *rows: Row) -> list[Row]:
    for row in rows:
        bench.source.execute('INSERT INTO "SALES"."T" VALUES (%s, %s, %s, %s, %s)', row)
    return list(rows)


def production_has(bench: ConfirmBench, *rows: Row) -> None:
    for row in rows:
        bench.made.connection.execute("INSERT INTO production.t VALUES (%s, %s, %s, %s, %s)", row)


def production(bench: ConfirmBench) -> list[Row]:
    return bench.rows("SELECT id, name, note, amount::int, to_char(updated_at, 'HH24') FROM production.t ORDER BY id")


def tables_of(bench: ConfirmBench, reload: Reload) -> list[ReloadTable]:
    with bench.made.target.connect() as connection:
        tables = resolve_group(group_tables(bench.made.config, GROUP), connection, bench.reader, reload.tables)
    return limited_tables(tables, reload.columns or {})


def checks(bench: ConfirmBench, reload: Reload) -> dict[str, tuple[str, str]]:
    """The checks after the merge: status and sentence."""
    (table,) = tables_of(bench, reload)
    ledger = bench.made.ledger
    found = verify_merged(
        bench.made.target,
        bench.made.config.source.zone,
        ledger.get(reload.reload_id),
        table,
        ledger.tables(reload.reload_id)["t"],
        bench.reader,
    )
    return {one.check_name: (one.status, one.detail) for one in found}


@pytest.mark.parametrize("keys", [False, True], ids=["window", "keys"])
def test_only_the_named_column_is_repaired(make: Make, keys: bool) -> None:
    bench = make(MARK, soft_delete_column="gone", orphans="soft_delete")
    staged = source_has(
        bench,
        (1, "a", "x", 1, NOON),
        (2, "b", "x", 2, NOON),
        (3, "c", "x", 3, NOON),
        (4, "d", "x", 4, LATER),
        (5, "e", "x", 5, NOON),
        (6, "f", "x", 6, NOON),
    )
    production_has(
        bench,
        (1, "a", None, 1, NOON),
        # Its other columns are damaged, too.
        (2, "damaged", None, 99, NOON),
        # 3 is missing. 4 has missed an update, whose amount stays missed.
        (4, "d", None, 1, EARLIER),
        # 5 is marked as deleted; 6 is right; 7 is not in the source.
        (5, "e", None, 5, NOON),
        (6, "f", "x", 6, NOON),
        (7, "g", None, 7, NOON),
    )
    bench.on_production("UPDATE production.t SET gone = true WHERE id = 5")
    selected = {"t": [(str(number),) for number in range(1, 8)]} if keys else None
    reload = bench.merge({"t": staged}, selected, NOTE)
    (counts,) = bench.rows("SELECT inserted, updated, repaired, identical, refused, skipped FROM admin.reload_tables")
    assert counts == (0, 1, 2, 1, 0, 2)
    expected = [
        (1, "a", "x", 1, "12"),
        (2, "damaged", "x", 99, "12"),
        (4, "d", "x", 1, "11"),
        (5, "e", None, 5, "12"),
        (6, "f", "x", 6, "12"),
        (7, "g", None, 7, "12"),
    ]
    assert production(bench) == expected
    done = bench.confirm(reload)
    assert (done.settled, done.corrections) == (True, 0)
    assert production(bench) == expected
    assert bench.rows("SELECT id FROM production.t WHERE gone ORDER BY id") == [(5,)]
    assert "only note of production.t were compared and corrected, and 3 rows stay" in done.detail
    audited = "SELECT count(*), count(*) FILTER (WHERE operation IN ('updated', 'repaired')) FROM admin.reload_changes"
    assert bench.rows(audited) == [(3, 3)]
    assert bench.rows("SELECT columns FROM admin.reloads") == [(NOTE,)]
    found = checks(bench, reload)
    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(found, "passed")
    matches = found["keys_match_source" if keys else "window_matches_source"][1]
    assert "the values in note of the source's 4 rows" in matches
    assert "2 rows missing in production (id 3, 5) (columns: only note)" in matches
    assert "1 row in production only (id 7) (columns: only note)" in matches


def test_a_row_that_is_newer_in_production_gets_the_column_by_the_confirm(make: Make) -> None:
    """CDC carries other columns only, so the backfilled one would stay NULL for good."""
    bench = make()
    staged = source_has(bench, (1, "a", "x", 1, NOON), (2, "b", "x", 2, NOON), (3, "c", "x", 3, NOON))
    production_has(bench, (1, "a", None, 1, NOON), (2, "b", None, 2, NOON), (3, "c", None, 3, NOON))
    # Between the load and the merge, CDC carries an update of the amount, and one of the note.
    bench.on_source("""UPDATE "SALES"."T" SET "AMOUNT" = 11, "UPDATED_AT" = '2025-01-03 13:00' WHERE "ID" = 1""")
    bench.on_production("UPDATE production.t SET amount = 11, updated_at = '2025-01-03 13:00' WHERE id = 1")
    bench.on_source("""UPDATE "SALES"."T" SET "NOTE" = 'y', "UPDATED_AT" = '2025-01-03 13:00' WHERE "ID" = 2""")
    bench.on_production("UPDATE production.t SET note = 'y', updated_at = '2025-01-03 13:00' WHERE id = 2")
    reload = bench.merge({"t": staged}, None, NOTE)
    assert [row[:3] for row in production(bench)] == [(1, "a", None), (2, "b", "y"), (3, "c", "x")]
    # While the confirm reads, the source changes the note of 3; CDC brings it, and only that column.
    bench.on_source("""UPDATE "SALES"."T" SET "NOTE" = 'z', "UPDATED_AT" = '2025-01-03 14:00' WHERE "ID" = 3""")
    bench.cdc.steps.append(
        lambda: bench.on_production("UPDATE production.t SET note = 'z', updated_at = '2025-01-03 14:00' WHERE id = 3")
    )
    assert bench.confirm(reload).settled
    assert production(bench) == [(1, "a", "x", 11, "13"), (2, "b", "y", 2, "13"), (3, "c", "z", 3, "14")]
    assert [(operation, key) for operation, key, _ in bench.audit()] == [("updated", {"id": 1})]
    assert checks(bench, reload)["window_matches_source"][0] == "passed"


def test_an_earlier_unconfirmed_reload_is_not_taken_up(make: Make) -> None:
    bench = make()
    staged = source_has(bench, (1, "a", "x", 1, NOON), (2, "b", "x", 2, NOON))
    production_has(bench, (1, "a", None, 1, NOON))
    first = bench.merge({"t": staged})
    bench.made.ledger.give_up_confirm(first.reload_id, "its run died")
    bench.on_source('DELETE FROM "SALES"."T" WHERE "ID" = 2')
    second = bench.merge({"t": staged[:1]}, None, NOTE)
    assert bench.confirm(second).settled
    unconfirmed = "SELECT confirm_status FROM admin.reloads ORDER BY reload_id"
    assert bench.rows(unconfirmed) == [("unconfirmed",), ("confirmed",)]
    assert bench.rows("SELECT confirmed_with FROM admin.reload_tables ORDER BY id") == [(None,), (None,)]
    assert [row[0] for row in production(bench)] == [1, 2]
    # A later reload of whole rows takes up both.
    third = bench.merge({"t": staged[:1]})
    assert bench.confirm(third).settled
    assert [row[0] for row in production(bench)] == [1]
    assert bench.rows(unconfirmed) == [("confirmed",)] * 3


def test_values_that_only_together_are_the_sources_are_repaired_together(make: Make) -> None:
    bench = make(
        "ALTER TABLE production.t ADD gone boolean, ADD of_amount numeric GENERATED ALWAYS AS (amount * 2) STORED;"
        "CREATE UNIQUE INDEX pairs ON production.t (name, note)",
        soft_delete_column="gone",
        orphans="soft_delete",
    )
    for column, problem in {
        "nota": "'nota' is not a column of production.t; did you mean 'note'?",
        "id": "'id' of t is in the key",
        "gone": "'gone' of t marks rows as deleted",
        "of_amount": "'of_amount' of t is generated",
        "note": "the unique index pairs of production.t has note and name",
    }.items():
        with pytest.raises(RequestInvalid, match=problem):
            limited_tables(bench.made.resolve(), {"t": [column]})
    with pytest.raises(RequestInvalid, match="names no columns of t"):
        limited_tables(bench.made.resolve(), {"u": ["note"]})
    # Two rows swap the value of the index.
    staged = source_has(bench, (1, "a", "x", 1, NOON), (2, "b", "y", 2, NOON))
    production_has(bench, (1, "b", "y", 7, NOON), (2, "a", "x", 8, NOON))
    reload = bench.merge({"t": staged}, None, {"t": ["note", "name"]})
    assert bench.confirm(reload).settled
    assert production(bench) == [(1, "a", "x", 7, "12"), (2, "b", "y", 8, "12")]


def test_values_that_move_within_a_segment_are_seen(make: Make) -> None:
    """The sum of a segment has the keys in it: the same values at other rows are not equal."""
    bench = make()
    staged = source_has(bench, (1, "a", "x", 1, NOON), (2, "b", "y", 2, NOON))
    production_has(bench, (1, "a", "x", 1, NOON), (2, "b", "y", 2, NOON))
    reload = bench.merge({"t": staged}, None, NOTE)
    bench.on_production("UPDATE production.t SET note = CASE id WHEN 1 THEN 'y' ELSE 'x' END")
    assert checks(bench, reload)["window_matches_source"][0] == "failed"
    assert bench.confirm(reload).corrections == 2
    assert [row[2] for row in production(bench)] == ["x", "y"]


def test_foreign_keys_count_only_as_far_as_the_columns_go(make: Make) -> None:
    """Nobody's parent is missing because of a column that is not written, or because of a row that is not."""
    bench = make(
        "CREATE TABLE production.names (name text PRIMARY KEY); INSERT INTO production.names VALUES ('a'), ('b');"
        "ALTER TABLE production.t ADD FOREIGN KEY (name) REFERENCES production.names"
    )
    staged = source_has(bench, (1, "a", "x", 1, NOON), (2, "z", "x", 2, NOON), (3, "z", "x", 3, NOON))
    production_has(bench, (1, "a", None, 1, NOON), (3, "b", None, 3, NOON))
    reload = bench.merge({"t": staged}, None, NOTE)
    assert bench.confirm(reload).settled
    assert production(bench) == [(1, "a", "x", 1, "12"), (3, "b", "x", 3, "12")]
    assert checks(bench, reload)["foreign_keys"] == ("passed", "production.t has no foreign keys in note.")
    with pytest.raises(ParentMissing, match=r"\(id\)=\(3\) wants \(name\)=\(z\)"):
        bench.merge({"t": staged}, None, {"t": ["name"]})


def test_a_statement_that_cdc_skipped_meanwhile_leaves_the_reload_unconfirmed(make: Make) -> None:
    """Its other columns are lost, and a repair of columns does not bring them."""
    bench = make()
    staged = source_has(bench, (1, "a", "x", 1, NOON), (2, "b", "x", 2, NOON))
    production_has(bench, (1, "a", None, 1, NOON))
    reload = bench.merge({"t": staged}, None, NOTE)
    statement = "INSERT INTO production.t (id, name) VALUES (2, 'b')"
    bench.cdc.passed_over.append(Skipped(datetime.now(timezone.utc), statement, "SqlState: 23505", "", "T"))
    done = bench.confirm(reload)
    assert not done.settled
    assert "about 1 rows of production.t while only columns of it were repaired (2, for example)" in done.detail
    assert [row[0] for row in production(bench)] == [1]


@dataclass
class Story:
    """A source that goes on changing, a CDC that carries its changes late and column by column, and nothing else."""

    bench: ConfirmBench
    chance: random.Random
    source: dict[int, dict[str, Any]]
    without_reload: dict[int, dict[str, Any]]
    """What production would have by CDC alone."""
    pending: list[Callable[[], None]] = field(default_factory=list)
    clock: int = 0

    def change(self) -> None:
        """One transaction of the source."""
        self.clock += 1
        version = f"2025-01-03 13:{self.clock // 60:02}:{self.clock % 60:02}"
        number = self.chance.randint(1, 9)
        if number not in self.source:
            row = {"id": number, "name": "new", "note": f"n{self.clock}", "amount": self.clock, "updated_at": version}
            source_has(self.bench, tuple(row.values()))
            self.source[number] = row
            self.pending.append(partial(self._carry_insert, dict(row)))
        elif self.chance.random() < 0.2:
            self.bench.on_source(f'DELETE FROM "SALES"."T" WHERE "ID" = {number}')
            del self.source[number]
            self.pending.append(partial(self._carry_delete, number))
        else:
            column = self.chance.choice(["name", "note", "amount"])
            new = {column: self.clock if column == "amount" else f"u{self.clock}", "updated_at": version}
            self.bench.on_source(f'UPDATE "SALES"."T" SET {_set(new, upper=True)} WHERE "ID" = {number}')
            self.source[number] |= new
            self.pending.append(partial(self._carry_update, number, new))

    def drain(self) -> None:
        """CDC applies what it has not applied yet."""
        for carry in self.pending:
            carry()
        self.pending.clear()

    def _carry_insert(self, row: dict[str, Any]) -> None:
        production_has(self.bench, tuple(row.values()))
        self.without_reload[row["id"]] = row

    def _carry_update(self, number: int, new: dict[str, Any]) -> None:
        self.bench.on_production(f"UPDATE production.t SET {_set(new)} WHERE id = {number}")
        if number in self.without_reload:
            self.without_reload[number] |= new

    def _carry_delete(self, number: int) -> None:
        self.bench.on_production(f"DELETE FROM production.t WHERE id = {number}")
        self.without_reload.pop(number, None)


def _set(new: dict[str, Any], *, upper: bool = False) -> str:
    return ", ".join(f"\"{name.upper() if upper else name}\" = '{value}'" for name, value in new.items())


@pytest.mark.parametrize("seed", range(8))
def test_whatever_cdc_does_meanwhile_only_the_column_becomes_the_sources(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    bench = make()
    names = ("id", "name", "note", "amount", "updated_at")
    rows = source_has(bench, *((number, f"a{number}", "x", number, NOON) for number in range(1, 9)))
    damaged = [
        (number, chance.choice(["damaged", name]), chance.choice([None, "x"]), amount, chance.choice([NOON, EARLIER]))
        for number, name, _, amount, _ in rows
        if chance.random() < 0.8
    ]
    production_has(bench, *damaged)
    story = Story(
        bench,
        chance,
        {row[0]: dict(zip(names, row, strict=True)) for row in rows},
        {row[0]: dict(zip(names, row, strict=True)) for row in damaged},
    )
    # Between the load and the merge, and at each wait of the confirm.
    for _ in range(chance.randint(0, 5)):
        story.change()
    story.drain()
    reload = bench.merge({"t": rows}, None, NOTE)

    def pass_by(changes: int) -> None:
        story.drain()
        for _ in range(changes):
            story.change()

    story.change()
    bench.cdc.steps += [partial(pass_by, chance.randint(0, 3)) for _ in range(4)] + [story.drain]
    assert bench.confirm(reload).settled
    story.drain()
    found = {
        row[0]: dict(zip(names, row, strict=True))
        for row in bench.rows("SELECT id, name, note, amount::int, updated_at::text FROM production.t")
    }
    expected = {
        number: {**row, "note": story.source[number]["note"] if number in story.source else row["note"]}
        for number, row in story.without_reload.items()
    }
    assert found == expected
