"""Wrong set-ups, as a table: ``reload-assets doctor`` names each before anything is loaded, and none passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from psycopg import sql

from reload_assets.local.oracle import OracleColumn, OracleTable, create_table
from reload_assets.local.stack import Stack, checkout_file
from reload_assets_tests.scenarios.test_cli import command, found

THINGS = OracleTable(
    "THINGS",
    [
        OracleColumn("ID", "NUMBER(9)", nullable=False),
        OracleColumn("NOTE", "VARCHAR2(20)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
    ],
    ["ID"],
)
THINGS_DDL = "CREATE TABLE odd.things (id integer PRIMARY KEY, note varchar(20), updated_at timestamp NOT NULL)"


class Wrong(NamedTuple):
    """One set-up: SQL on production (``undo`` takes it back), another definition of the table, another configuration.

    ``words`` are in one of the findings of ``severity``; so are those of ``more``.
    """

    words: str
    on_target: str = ""
    undo: str = ""
    ddl: str = THINGS_DDL
    table: Mapping[str, Any] = {}
    config: Mapping[str, Any] = {}
    on_source: str = ""
    severity: str = "problem"
    more: Sequence[str] = ()


UUID = THINGS_DDL.replace("note varchar(20)", "note uuid")
SETUPS = {
    "no right to read": Wrong("lacks SELECT on odd.things", "REVOKE SELECT ON odd.things FROM reload_job"),
    "no right to write": Wrong(
        "lacks INSERT, DELETE on odd.things; run: GRANT INSERT, DELETE ON TABLE odd.things TO reload_job",
        "REVOKE INSERT, DELETE ON odd.things FROM reload_job",
    ),
    "no right to the sequence": Wrong(
        "lacks SELECT, UPDATE on odd.things_id_seq",
        "REVOKE ALL ON SEQUENCE odd.things_id_seq FROM reload_job",
        ddl=THINGS_DDL.replace("id integer", "id serial"),
    ),
    "no right to the schema": Wrong(
        "there is no table odd.things, or this login may not see it",
        "REVOKE USAGE ON SCHEMA odd FROM reload_job",
        "GRANT USAGE ON SCHEMA odd TO reload_job",
    ),
    "no right to the parent": Wrong(
        "lacks SELECT on odd.kinds",
        "CREATE TABLE odd.kinds (note varchar(20) PRIMARY KEY);"
        "ALTER TABLE odd.things ADD FOREIGN KEY (note) REFERENCES odd.kinds",
        "DROP TABLE odd.kinds CASCADE",
    ),
    "rights to columns that do not suffice": Wrong(
        "lacks SELECT, INSERT, UPDATE on odd.things; run: GRANT SELECT, INSERT, UPDATE ON TABLE odd.things TO",
        "REVOKE ALL ON odd.things FROM reload_job; GRANT DELETE, SELECT (id, note, updated_at), INSERT (id, note), "
        "UPDATE (updated_at) ON odd.things TO reload_job",
    ),
    "no right to what the table uses": Wrong(
        "lacks EXECUTE on elsewhere.low(text); EXECUTE on odd.fits(integer); USAGE on elsewhere; USAGE on elsewhere.ni",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA elsewhere, odd FROM PUBLIC;"
        "REVOKE USAGE ON TYPE elsewhere.nick FROM PUBLIC",
        "DROP SCHEMA elsewhere CASCADE; DROP TABLE odd.things; DROP FUNCTION odd.fits",
        ddl="CREATE SCHEMA elsewhere; CREATE DOMAIN elsewhere.nick AS varchar(20);"
        "CREATE FUNCTION elsewhere.low(text) RETURNS text IMMUTABLE LANGUAGE sql RETURN lower($1);"
        "CREATE FUNCTION odd.fits(integer) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN $1 > 0;"
        + THINGS_DDL.replace("integer", "integer CHECK (odd.fits(id))").replace("varchar(20)", "elsewhere.nick")
        + "; CREATE UNIQUE INDEX ON odd.things (elsewhere.low(note))",
    ),
    "no right to the schema of the parent, nor to children that would follow": Wrong(
        "lacks USAGE on closed; SELECT on closed.parts; run: GRANT USAGE ON SCHEMA closed TO reload_job; GRANT SELECT",
        "CREATE SCHEMA closed; CREATE TABLE closed.kinds (note varchar(20) PRIMARY KEY);"
        "ALTER TABLE odd.things ADD FOREIGN KEY (note) REFERENCES closed.kinds;"
        "CREATE TABLE closed.parts (note varchar(20) REFERENCES odd.things (note) ON UPDATE CASCADE);"
        "GRANT SELECT ON closed.kinds TO reload_job",
        "DROP SCHEMA closed CASCADE",
        ddl=THINGS_DDL.replace("varchar(20)", "varchar(20) UNIQUE"),
    ),
    "no right to children that a delete takes along": Wrong(
        "lacks SELECT on odd.parts; run: GRANT SELECT ON TABLE odd.parts TO reload_job",
        "CREATE TABLE odd.parts (id integer REFERENCES odd.things ON DELETE CASCADE)",
        "DROP TABLE odd.parts",
    ),
    "parents that row security hides": Wrong(
        "does not see every row of odd.kinds, because row security applies to it there, and foreign keys tie these "
        "rows to those of odd.things",
        "CREATE TABLE odd.kinds (note varchar(20) PRIMARY KEY); GRANT SELECT ON odd.kinds TO reload_job;"
        "ALTER TABLE odd.things ADD FOREIGN KEY (note) REFERENCES odd.kinds; ALTER TABLE odd.kinds ENABLE ROW LEVEL "
        "SECURITY",
        "DROP TABLE odd.kinds CASCADE",
    ),
    "children that row security hides": Wrong(
        "does not see every row of odd.parts",
        "CREATE TABLE odd.parts (id integer REFERENCES odd.things ON DELETE SET NULL);"
        "GRANT SELECT (id) ON odd.parts TO reload_job; ALTER TABLE odd.parts ENABLE ROW LEVEL SECURITY",
        "DROP TABLE odd.parts",
    ),
    "a ledger of somebody else": Wrong(
        "lacks SELECT, INSERT, UPDATE on admin.reloads; ownership on admin.reload_changes; run: GRANT SELECT, INSERT,",
        "ALTER TABLE admin.reloads OWNER TO CURRENT_USER; ALTER TABLE admin.reload_changes OWNER TO CURRENT_USER",
        "ALTER TABLE admin.reloads OWNER TO reload_job; ALTER TABLE admin.reload_changes OWNER TO reload_job",
    ),
    "a staging schema that is not there": Wrong(
        "in the schema stagin (target.staging_schema): PostgreSQL says 'schema \"stagin\" does not exist'",
        config={"target": {"staging_schema": "stagin"}},
    ),
    "an event trigger": Wrong(
        "cannot make and use the tables of a reload of odd.things in the schema staging (target.staging_schema): "
        "PostgreSQL says 'no tables today'",
        "CREATE FUNCTION odd.no_tables() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF current_user = 'reload_job' THEN RAISE EXCEPTION 'no tables today'; END IF; END $$;"
        "CREATE EVENT TRIGGER no_tables ON ddl_command_start EXECUTE FUNCTION odd.no_tables()",
        "DROP EVENT TRIGGER no_tables; DROP FUNCTION odd.no_tables",
    ),
    "default privileges without the owner": Wrong(
        "permission denied for table reload_assets_rehearsal",
        "ALTER DEFAULT PRIVILEGES FOR ROLE reload_job REVOKE INSERT ON TABLES FROM reload_job",
        "ALTER DEFAULT PRIVILEGES FOR ROLE reload_job GRANT INSERT ON TABLES TO reload_job",
    ),
    "a limit of connections": Wrong(
        "the login may have 2 sessions at once, and a reload needs up to 3; run: ALTER ROLE",
        "ALTER ROLE reload_job CONNECTION LIMIT 2",
        "ALTER ROLE reload_job CONNECTION LIMIT -1",
    ),
    "a database without room": Wrong(
        "can have no other session now (connection to server",
        "ALTER DATABASE target CONNECTION LIMIT 1",
        "ALTER DATABASE target CONNECTION LIMIT -1",
    ),
    "no temporary tables": Wrong(
        "lacks TEMPORARY on target",
        "REVOKE TEMPORARY ON DATABASE target FROM PUBLIC",
        "GRANT TEMPORARY ON DATABASE target TO PUBLIC",
    ),
    "no room for staging": Wrong(
        "lacks CREATE on staging",
        "REVOKE CREATE ON SCHEMA staging FROM reload_job",
        "GRANT CREATE ON SCHEMA staging TO reload_job",
    ),
    "an old ledger": Wrong(
        "it lacks ddl/0007_error_codes); run reload-assets install",
        "DELETE FROM admin.schema_versions WHERE version = 7",
        "INSERT INTO admin.schema_versions (version, name) VALUES (7, 'ddl/0007_error_codes')",
    ),
    "a load role that nobody made": Wrong("no role 'dmz'", config={"target": {"load_role": "dmz"}}),
    "a load role left out": Wrong(
        "granted to 'reload_job', but DMS logs in as 'dms'", config={"target": {"load_role": None}}
    ),
    "no table": Wrong("there is no table odd.thing", table={"target": "thing"}),
    "no source table": Wrong("SALES.THINK", table={"source": "THINK"}),
    "a schema in lower case": Wrong("did you mean 'SALES'", config={"source": {"schema": "sales"}}),
    "no column": Wrong("'updatd_at' is not a column", table={"window_column": "updatd_at"}),
    "a column that production lacks": Wrong(
        "no column for SALES.THINGS.NOTE", ddl=THINGS_DDL.replace("note varchar(20), ", "")
    ),
    "a view": Wrong(
        "odd.seen is a view, and only a table's rows can be locked",
        "CREATE VIEW odd.seen AS SELECT * FROM odd.things",
        table={"target": "seen"},
    ),
    "a column that nothing fills": Wrong(
        "odd.things.score is NOT NULL and has no default, and no column of SALES.THINGS feeds it",
        "ALTER TABLE odd.things ADD score integer NOT NULL",
    ),
    "a column of another name that nobody has": Wrong("'label' is not a column", table={"columns": {"label": "NOTE"}}),
    "a column of another name that the source lacks": Wrong(
        "'NOTES' is not a column of SALES.THINGS; did you mean 'NOTE'?", table={"columns": {"note": "NOTES"}}
    ),
    "a check that no new row can meet": Wrong(
        "odd.things: the check things_score_check does not hold for a new row, where score = NULL",
        "ALTER TABLE odd.things ADD score integer CHECK (score IS NOT NULL)",
    ),
    "no partition": Wrong(
        "odd.things: it is partitioned by HASH (id) and has no partition", ddl=THINGS_DDL + " PARTITION BY HASH (id)"
    ),
    "no unique key": Wrong("has no primary key", ddl=THINGS_DDL.replace(" PRIMARY KEY", "")),
    "a key that is not the source's": Wrong(
        "is not a key of SALES.THINGS",
        ddl=THINGS_DDL.replace("id integer PRIMARY KEY, note varchar(20)", "id integer, note varchar(20) PRIMARY KEY"),
    ),
    "a key that is rounded": Wrong(
        "which rounds",
        ddl=THINGS_DDL.replace("id integer", "id real"),
    ),
    "a type that loses": Wrong(
        "NOTE is VARCHAR2(20) and note is character(20), which would lose trailing blanks (accept: trailing blanks)",
        ddl=THINGS_DDL.replace("varchar(20)", "char(20)"),
    ),
    "a type that cannot be": Wrong("which would lose the text", ddl=THINGS_DDL.replace("varchar(20)", "bytea")),
    "a consent to nothing": Wrong("does not lose decimals of the source", table={"accept": {"note": "decimals"}}),
    "a window that is a date": Wrong("'updated_at' of odd.things is date", ddl=THINGS_DDL.replace("timestamp", "date")),
    "a first window that is a number": Wrong(
        "windows.first: 20250101 is not a day; write a day as 2025-01-01", config={"windows": {"first": 20250101}}
    ),
    "a cadence that the clock tears": Wrong(
        "'hourly' in Australia/Lord_Howe does not tile the time where the clock changes",
        config={"windows": {"cadence": "hourly", "time_zone": "Australia/Lord_Howe"}},
    ),
    "a first window off the cadence": Wrong(
        "the first window begins at 2025-01-02T00:00+01:00, and none has the rows before that",
        config={"windows": {"first": "2025-01-01T06:00", "time_zone": "Europe/Zurich"}},
        severity="warn",
    ),
    "a first window in the future": Wrong(
        "is in the future: no window has ended yet", config={"windows": {"first": "2190-01-01"}}, severity="warn"
    ),
    "rows in no window": Wrong(
        "1 row of odd.things have no updated_at and so belong to no window",
        "INSERT INTO odd.things VALUES (1, 'a', NULL)",
        ddl=THINGS_DDL.replace("timestamp NOT NULL", "timestamp"),
        severity="warn",
    ),
    "a mark that is text": Wrong(
        "name a column of type boolean or timestamp",
        ddl=THINGS_DDL.replace("NOT NULL", "NOT NULL, gone char(1)"),
        table={"orphans": "soft_delete", "soft_delete_column": "gone"},
    ),
    "row security": Wrong("row security", "ALTER TABLE odd.things ENABLE ROW LEVEL SECURITY"),
    "a rule": Wrong("rule", "CREATE RULE quiet AS ON INSERT TO odd.things DO INSTEAD NOTHING"),
    "a publication that cannot name rows": Wrong(
        "has no replica identity",
        "CREATE PUBLICATION odd FOR TABLE odd.things; ALTER TABLE odd.things REPLICA IDENTITY NOTHING",
        "DROP PUBLICATION odd",
    ),
    "a publication whose filter is about other columns": Wrong(
        "it is in a publication (odd) whose row filter names columns outside of its replica identity",
        "CREATE PUBLICATION odd FOR TABLE odd.things WHERE (note <> 'x')",
        "DROP PUBLICATION odd",
    ),
    "two entries of one table": Wrong("the table is in group 'again' too", config={"twice": True}),
    "no index in production": Wrong(
        "odd.things has no index that begins with updated_at", "DROP INDEX odd.things_updated_at", severity="warn"
    ),
    "no index in the source": Wrong(
        "SALES.THINGS has no index that begins with UPDATED_AT",
        on_source='DROP INDEX "SALES"."THINGS_UPDATED_AT"',
        severity="warn",
    ),
    "a column that stays NULL": Wrong(
        "odd.things: no column of SALES.THINGS feeds score, where new rows get NULL in score",
        "ALTER TABLE odd.things ADD score integer",
        severity="warn",
    ),
    "values that may be NULL only in the source": Wrong(
        "odd.things: NOTE of SALES.THINGS may be NULL, but production declares this column NOT NULL",
        "ALTER TABLE odd.things ALTER COLUMN note SET NOT NULL",
        severity="warn",
    ),
    "a mark that frees no unique value": Wrong(
        "keeps its values in things_note_key, so no other row can have them; a unique index WHERE gone IS NULL would",
        "ALTER TABLE odd.things ADD gone timestamp, ADD UNIQUE (note)",
        table={"orphans": "soft_delete", "soft_delete_column": "gone"},
        severity="warn",
    ),
    "values that production refuses": Wrong(
        "odd.things.note is uuid and refuses texts that uuid cannot read", ddl=UUID, severity="warn"
    ),
    "children that a delete takes along": Wrong(
        "odd.parts refers to odd.things ON DELETE CASCADE",
        "CREATE TABLE odd.parts (id integer REFERENCES odd.things ON DELETE CASCADE);"
        "GRANT SELECT (id) ON odd.parts TO reload_job",
        "DROP TABLE odd.parts",
        table={"orphans": "delete"},
        severity="warn",
    ),
    "unique values that no chunk may part": Wrong(
        "odd.things is merged in one transaction although merge.mode is chunked: values of things_lower_idx may move",
        "CREATE UNIQUE INDEX ON odd.things (lower(note)) WHERE id > 0",
        config={"merge": {"mode": "chunked"}},
        severity="warn",
    ),
    "a trigger": Wrong(
        "odd.things has triggers that fire when a reload writes (touch)",
        "CREATE FUNCTION odd.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER touch BEFORE UPDATE ON odd.things FOR EACH ROW EXECUTE FUNCTION odd.touch()",
        severity="warn",
    ),
}


@pytest.fixture(scope="module")
def odd(stack: Stack) -> Iterator[Stack]:
    """The stack with a schema of its own for the set-ups, and the source of its table."""
    with stack.connect_target() as target, stack.connect_source() as source:
        target.execute("CREATE SCHEMA odd; GRANT USAGE ON SCHEMA odd TO reload_job")
        create_table(source, "SALES", THINGS)
        reader = sql.Identifier(stack.environment["RELOAD_SOURCE_USER"])
        source.execute(sql.SQL('GRANT SELECT ON "SALES"."THINGS" TO {}').format(reader))
        yield stack
        target.execute("DROP SCHEMA odd CASCADE")
        source.execute('DROP TABLE "SALES"."THINGS"')


def written(wrong: Wrong, folder: Path) -> str:
    """reload.yaml of the stack, with the set-up's table alone and without CDC, which does not carry it."""
    document = yaml.safe_load(checkout_file("reload.yaml").read_text(encoding="utf-8"))
    del document["cdc"]
    document["target"]["production_schema"] = "odd"
    things = {"window_column": "updated_at", **wrong.table}
    document["groups"] = {"odd": {"tables": {"things": things}}}
    if wrong.config.get("twice"):
        document["groups"]["again"] = {"tables": {"things": things}}
    for section in ("source", "target", "windows", "merge"):
        document[section] = document.get(section, {}) | wrong.config.get(section, {})
    file = folder / "reload.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(file)


def checked(stack: Stack, wrong: Wrong, folder: Path) -> tuple[int, list[str], list[str]]:
    """Check a set-up: the exit code, and the findings of its severity and of the others."""
    with stack.connect_target() as target, stack.connect_source() as source:
        target.execute(wrong.ddl.encode())
        target.execute("CREATE INDEX things_updated_at ON odd.things (updated_at)")
        target.execute("GRANT ALL ON ALL TABLES IN SCHEMA odd TO reload_job")
        target.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA odd TO reload_job")
        source.execute('CREATE INDEX "THINGS_UPDATED_AT" ON "SALES"."THINGS" ("UPDATED_AT")')
        try:
            target.execute(wrong.on_target.encode())
            source.execute(wrong.on_source.encode())
            done = command("--config", written(wrong, folder), "doctor")
        finally:
            target.execute(wrong.undo.encode())
            target.execute("DROP TABLE IF EXISTS odd.things CASCADE; DROP FUNCTION IF EXISTS odd.touch")
            source.execute('DROP INDEX IF EXISTS "SALES"."THINGS_UPDATED_AT"')
    assert "Traceback" not in done.output
    return done.exit_code, found(done, "problem"), found(done, "warn")


def test_the_set_up_without_a_mistake_passes(odd: Stack, tmp_path: Path) -> None:
    # Without rights to what nothing needs.
    rights = (
        "REVOKE ALL ON odd.things FROM reload_job; GRANT DELETE, SELECT (id, note, updated_at, ctid, xmin, tableoid), "
        "INSERT (id, note, updated_at), UPDATE (note, updated_at) ON odd.things TO reload_job"
    )
    code, problems, warnings = checked(odd, Wrong("", rights), tmp_path)
    assert (code, problems) == (0, [])
    # Without the section cdc nobody knows whether production is being written.
    assert [line.split(":")[0] for line in warnings] == ["cdc"]


@pytest.mark.parametrize("name", SETUPS)
def test_a_wrong_set_up_is_named_before_the_load(odd: Stack, tmp_path: Path, name: str) -> None:
    wrong = SETUPS[name]
    code, problems, warnings = checked(odd, wrong, tmp_path)
    assert (code, bool(problems)) == ((1, True) if wrong.severity == "problem" else (0, False)), (problems, warnings)
    said = problems if wrong.severity == "problem" else warnings
    for words in (wrong.words, *wrong.more):
        assert [line for line in said if words in line], said


def test_a_mistake_in_one_table_does_not_hide_the_others(odd: Stack, tmp_path: Path) -> None:
    document = yaml.safe_load(checkout_file("reload.yaml").read_text(encoding="utf-8"))
    tables = document["groups"]["sales"]["tables"]
    tables["customers"]["window_column"] = "updatd_at"
    tables["documents"]["key"] = ["document_ix"]
    file = tmp_path / "reload.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = command("--config", str(file), "doctor")
    assert done.exit_code == 1
    assert [line.split(": ")[1].split(".")[-2] for line in found(done, "problem")] == ["customers", "documents"]
    assert {line.split(":")[0] for line in found(done, "ok")} >= {"sales.orders", "sales.order_items", "cdc", "DMS"}
